/* What somebody who is, or was, in the meeting tries with its own keys: who was put out, who was host, who calls good
 * commits bad, whose key package is of no use. Against the real service and honest members. */
#include <string.h>

#include "base/time.h"
#include "member/hostile.h"
#include "unit.h"

/* ---- who was put out ---- */

static struct {
    int person;
    uint8_t gone;
    char by[GROUP_IDENTITY_LEN + 1];
} last_end;

static void note_ends(void *context, int person, const struct member_output *out) {
    (void)context;
    if (out->type != MEMBER_ENDED)
        return;
    last_end.person = person;
    last_end.gone = out->gone;
    assert_true(span_to_str(out->identity, last_end.by, sizeof last_end.by));
}

/* An Add of that person, as a changed program of `by` makes it. */
static enum mls_status add(int by, int person) {
    struct member *m = a.people[by].member, *newcomer = a.people[person].member;
    struct mls_identity identity = member_identity(newcomer);
    struct mls_buf package, proposals;
    mls_buf_init(&package, WIRE_PACKAGE_LEN_MAX);
    mls_buf_init(&proposals, 2 * WIRE_PACKAGE_LEN_MAX);
    assert_int_equal(mls_key_package_create(newcomer->client, &identity, NULL, ASSEMBLY_UNIX_S(&a), &a.rng, &package),
                     MLS_OK);
    assert_int_equal(mls_propose_write_add(mls_buf_span(&package), &proposals), MLS_OK);
    assert_int_equal(
        mls_propose_write_psk(m->suite.suite->id, span_of(m->psk_id, sizeof m->psk_id), &a.rng, &proposals), MLS_OK);
    enum mls_status status = commit(by, mls_buf_span(&proposals), true);
    mls_buf_free(&package);
    mls_buf_free(&proposals);
    return status;
}

static void gets_no_entry(int person) {
    assembly_run(&a, 3 * US_PER_S);
    assert_true(a.people[person].ended);
    assert_int_equal(a.people[person].gone, MEMBER_GONE_NO_ENTRY);
    assert_false(a.people[person].admitted);
    assert_int_equal(member_people(a.people[0].member), 3);
}

static void a_removed_seat_returns_by_no_path(void **state) {
    (void)state;
    begin(1, 4);
    a.watch.output = note_ends;
    uint64_t epoch = member_epoch(a.people[0].member);
    assert_int_equal(remove_person(0, 3), MLS_OK);
    assert_int_equal(last_end.person, 3); /* its page knows that it was put out, and by whom */
    assert_int_equal(last_end.gone, WIRE_GONE_REMOVED);
    assert_string_equal(last_end.by, a.people[0].identity);
    assert_int_equal(member_epoch(a.people[0].member), epoch + 1); /* with one commit */
    assert_int_equal(a.people[0].removals_done, 1);
    assembly_reload(&a, 3); /* from outside */
    gets_no_entry(3);
    assembly_reload(&a, 3); /* by the hand of another member */
    h.person = 3;
    h.drop_up[WIRE_HELLO] = 1;
    uint64_t stale = service_counters_get(a.service)->service_stale;
    (void)add(1, 3);
    assert_int_equal(service_counters_get(a.service)->service_stale, stale + 1);
    assert_int_equal(member_epoch(a.people[0].member), epoch + 1);
    h.drop_up[WIRE_HELLO] = 0;
    assembly_reload(&a, 3);
    assembly_server_stop(&a); /* and from a server that has forgotten it */
    assembly_run(&a, US_PER_S);
    assembly_server_start(&a);
    assembly_run(&a, 5 * US_PER_S);
    gets_no_entry(3);
    /* the person comes with another seat, as a stranger, where entry lets it */
    assembly_join(&a, ASSEMBLY_GUEST);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_int_equal(all_alarms(), 0);
    end();
}

static void who_is_removed_while_away_does_not_resume(void **state) {
    (void)state;
    begin(2, 4);
    assembly_sleep(&a, 3, 2 * US_PER_S);
    assembly_run(&a, 100000);
    assert_int_equal(remove_person(0, 3), MLS_OK);
    assert_int_equal(a.people[0].removals_done, 1);
    gets_no_entry(3);
    end();
}

static void who_left_before_it_was_removed_is_barred_all_the_same(void **state) {
    (void)state;
    begin(3, 4);
    h.person = 0;
    h.drop_up[WIRE_COMMIT] = 1;
    assert_int_equal(remove_person(0, 3), MLS_OK);
    h.drop_up[WIRE_COMMIT] = 0;
    assembly_leave(&a, 3); /* its leaf is taken by a commit of another */
    assembly_run(&a, 8 * US_PER_S);
    assert_int_equal(member_people(a.people[0].member), 3);
    assert_int_equal(a.people[0].removals_done, 1);
    assembly_reload(&a, 3);
    gets_no_entry(3);
    end();
}

static void the_right_of_a_host_goes_with_its_seat(void **state) {
    (void)state;
    struct member_person seen;
    begin(4, 4);
    assert_int_equal(member_make_host(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(1)), MLS_OK);
    act(0);
    /* whom the service takes out is host again when it comes back */
    assembly_crash(&a, 1, 1);
    assembly_run(&a, SERVICE_GRACE_HOST_US + 5 * US_PER_S);
    assert_int_equal(member_people(a.people[0].member), 3);
    assembly_reload(&a, 1);
    assert_true(assembly_settle(&a, 5 * US_PER_S));
    assert_true(member_person_find(a.people[2].member, id_of(1), &seen) && seen.host);
    /* whom a host puts out is none, and does not come back */
    assert_int_equal(remove_person(0, 1), MLS_OK);
    struct group_meeting meeting;
    struct group_role_entry role;
    assert_true(group_meeting_of(mls_group_extensions(a.people[2].member->group), &meeting));
    assert_false(group_role_find(&meeting, seat_of(1), &role));
    assembly_reload(&a, 1);
    gets_no_entry(1);
    assert_int_equal(all_alarms(), 0);
    end();
}

/* ---- who was host ---- */

static void demote(int by, int person) {
    struct group_meeting meeting;
    struct group_role_entry entry;
    struct mls_buf roles, proposals;
    size_t at = 0;
    mls_buf_init(&roles, GROUP_MEETING_LEN_MAX);
    mls_buf_init(&proposals, 3 * GROUP_MEETING_LEN_MAX);
    assert_true(group_meeting_of(mls_group_extensions(a.people[by].member->group), &meeting));
    while (group_role_next(&meeting, &at, &entry)) {
        if (!span_equal(entry.key, seat_of(person)))
            group_role_add(&roles, &entry);
    }
    meeting.roles = mls_buf_span(&roles);
    assert_int_equal(member_propose_meeting(a.people[by].member, &meeting, &proposals), MLS_OK);
    assert_int_equal(commit(by, mls_buf_span(&proposals), false), MLS_OK);
    mls_buf_free(&roles);
    mls_buf_free(&proposals);
}

static void says_title(int person, const char *title) {
    struct mls_buf content;
    mls_buf_init(&content, 300);
    mls_wr_u8(&content, CONTENT_TITLE);
    mls_wr_vec(&content, span_str(title));
    say(person, mls_buf_span(&content));
    mls_buf_free(&content);
}

static void a_former_host_commands_nothing(void **state) {
    (void)state;
    begin(5, 4);
    assert_int_equal(member_make_host(a.people[0].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(1)), MLS_OK);
    act(0);
    says_title(1, "as host");
    assert_true(span_equal_str(member_title_text(a.people[2].member), "as host"));
    demote(0, 1);
    says_title(1, "no host any more");
    assert_true(span_equal_str(member_title_text(a.people[2].member), "as host"));
    assert_int_equal(alarms(2, MEMBER_ALARM_CONTENT), 1);
    assert_int_equal(remove_person(1, 2), MLS_PROPOSAL_REFUSED);
    /* nor by the word to the server, nor by a commit that its own program would not make */
    assembly_say(&a, 1, true, &(struct wire_message){.type = WIRE_MODERATE, .what = WIRE_REMOVE, .target = id_of(2)});
    assembly_run(&a, US_PER_S);
    assert_true(a.people[2].admitted && service_is_member(a.service, span_str(a.meeting), id_of(2)));
    struct mls_buf proposal;
    mls_buf_init(&proposal, 100);
    assert_int_equal(mls_propose_write_remove(member_find_person(a.people[1].member, id_of(2))->leaf, &proposal),
                     MLS_OK);
    uint64_t epoch = member_epoch(a.people[0].member);
    (void)commit(1, mls_buf_span(&proposal), false);
    assert_int_equal(member_epoch(a.people[0].member), epoch);
    assert_int_equal(member_people(a.people[0].member), 4);
    mls_buf_free(&proposal);
    end();
}

/* ---- who calls good commits bad ---- */

static bool always_bad(void *context, int person, struct span message) {
    struct wire_message m;
    (void)context;
    if ((person != 4 && person != 5) || message.data[0] != WIRE_ACK ||
        wire_read(WIRE_FROM_CLIENT, message, &m) != WIRE_OK)
        return true;
    assembly_say(&a, person, true, &(struct wire_message){.type = WIRE_BAD, .epoch = m.epoch, .status = 1});
    return false;
}

static void two_members_cannot_hold_the_group(void **state) {
    (void)state;
    for (int host = 0; host < 2; host++) {
        if (host == 1)
            begin(6, 6);
        else
            begin_without_host(7, 6);
        a.watch.up = always_bad;
        uint64_t epoch = member_epoch(a.people[0].member);
        for (int i = 1; i < 4; i++)
            renew(i);
        assert_int_equal(member_epoch(a.people[0].member), epoch + 3);
        int late = assembly_join(&a, ASSEMBLY_GUEST);
        assembly_run(&a, 10 * US_PER_S);
        assert_int_equal(member_state(a.people[late].member), MEMBER_IN);
        for (int i = 0; i < 4; i++)
            assert_false(a.people[i].ended);
        if (host == 1) {
            (void)remove_person(0, 4);
            (void)remove_person(0, 5);
            assembly_run(&a, 2 * US_PER_S);
            assert_int_equal(member_people(a.people[0].member), 5);
        }
        end();
    }
}

/* ---- whose key package is of no use ---- */

static void package_of(struct member *m, struct mls_buf *out) {
    struct mls_identity identity = member_identity(m);
    mls_buf_clear(out);
    assert_int_equal(mls_key_package_create(m->client, &identity, NULL, ASSEMBLY_UNIX_S(&a), &a.rng, out), MLS_OK);
}

static void one_bad_package_costs_nobody_else(void **state) {
    (void)state;
    begin(8, 2);
    struct mls_buf package, list;
    h.person = 0;
    h.drop_up[WIRE_HELLO] = 1;
    int stranger = assembly_join(&a, ASSEMBLY_STRANGER), guest = assembly_join(&a, ASSEMBLY_GUEST);
    mls_buf_init(&package, WIRE_PACKAGE_LEN_MAX);
    mls_buf_init(&list, WIRE_MESSAGE_LEN_MAX);
    package_of(a.people[stranger].member, &package); /* not signed by the link */
    wire_add_package(&list, &(struct wire_package){.knock = 7, .key_package = mls_buf_span(&package)});
    package_of(a.people[1].member, &package); /* who is in already */
    wire_add_package(&list, &(struct wire_package){.knock = 8, .key_package = mls_buf_span(&package)});
    package_of(a.people[guest].member, &package);
    wire_add_package(&list, &(struct wire_package){.knock = 9, .key_package = mls_buf_span(&package)});
    package.w.data[mls_buf_len(&package) - 1] ^= 1; /* a broken one */
    wire_add_package(&list, &(struct wire_package){.knock = 10, .key_package = mls_buf_span(&package)});
    h.keep_up_type = WIRE_COMMIT;
    inject(0, &(struct wire_message){
                  .type = WIRE_COMMIT_NOW, .epoch = member_epoch(a.people[0].member), .list = mls_buf_span(&list)});
    assembly_run(&a, 10000);
    struct wire_message sent = kept_message();
    struct wire_left_out left_out;
    size_t at = 0;
    static const uint32_t bad[] = {7, 8, 10};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_true(wire_next_left_out(&sent, &at, &left_out) && left_out.knock == bad[i] && left_out.status != MLS_OK);
    assert_false(wire_next_left_out(&sent, &at, &left_out));
    assert_true(sent.welcome.len > 0); /* the good one is added */
    mls_buf_free(&package);
    mls_buf_free(&list);
    end();
}

/* A commit whose key schedule has another PSK in it: good for all that is public, and nobody can open it. */
static void commit_what_nobody_opens(int person) {
    static const uint8_t wrong[32] = {1};
    struct member *m = a.people[person].member;
    const struct span id = span_of(m->psk_id, sizeof m->psk_id);
    struct mls_buf proposals;
    mls_buf_init(&proposals, 256);
    assert_int_equal(mls_psk_add(m->client, id, span_of(wrong, sizeof wrong)), MLS_OK);
    assert_int_equal(mls_propose_write_psk(m->suite.suite->id, id, &a.rng, &proposals), MLS_OK);
    (void)commit(person, mls_buf_span(&proposals), false);
    assert_int_equal(mls_psk_add(m->client, id, secret_span(&m->link.psk)), MLS_OK);
    mls_buf_free(&proposals);
}

static void who_was_away_while_a_bad_commit_was_withdrawn_follows_the_log_back(void **state) {
    (void)state;
    begin(41, 4);
    assembly_sleep(&a, 3, 4 * US_PER_S);
    commit_what_nobody_opens(2);
    assert_int_equal(service_counters_get(a.service)->service_withdrawn, 1);
    renew(1);
    assembly_run(&a, 6 * US_PER_S);
    assert_int_equal(member_state(a.people[3].member), MEMBER_IN);
    assert_int_equal(member_epoch(a.people[3].member), member_epoch(a.people[0].member));
    assert_int_equal(service_counters_get(a.service)->service_resyncs, 0);
    assert_int_equal(alarms(3, MEMBER_ALARM_FORK), 0);
    end();
}

/* ---- work for everybody ---- */

/* A profile of that person, as its own program would sign it. */
static void write_profile(int person, uint32_t version, const char *name, struct mls_buf *out) {
    struct member *m = a.people[person].member;
    struct mls_buf claim;
    mls_buf_init(&claim, 1024);
    mls_wr_vec(&claim, mls_buf_span(&m->identity));
    mls_wr_u32(&claim, version);
    mls_wr_vec(&claim, span_str(name));
    const struct span parts[] = {mls_group_id(m->group), mls_buf_span(&claim)};
    mls_wr_span(out, mls_buf_span(&claim));
    assert_int_equal(mls_sign_with_label(&m->suite, &m->signature_key, "ConclaveProfile", parts, ARRAY_LEN(parts), out),
                     MLS_OK);
    mls_buf_free(&claim);
}

static void a_roster_has_one_profile_of_a_person(void **state) {
    (void)state;
    begin(50, 3);
    struct mls_buf profiles, content;
    mls_buf_init(&profiles, 32768);
    mls_buf_init(&content, 40000);
    for (uint32_t i = 0; i < 200; i++)
        write_profile(1, 100 + i, i == 0 ? "first" : "another", &profiles);
    mls_wr_u8(&content, CONTENT_ROSTER);
    mls_wr_vec(&content, mls_buf_span(&profiles));
    mls_wr_vec(&content, span_of(NULL, 0));
    mls_wr_vec(&content, span_of(NULL, 0));
    say(1, mls_buf_span(&content));
    struct member_person person;
    for (int i = 0; i < 3; i += 2) {
        assert_true(member_person_find(a.people[i].member, id_of(1), &person));
        assert_true(span_equal_str(person.name, "first")); /* and no signature but its own was looked at */
        assert_int_equal(alarms(i, MEMBER_ALARM_CONTENT), 1);
    }
    mls_buf_free(&profiles);
    mls_buf_free(&content);
    end();
}

static void who_asks_for_names_again_and_again_is_answered_now_and_then(void **state) {
    (void)state;
    begin(51, 3);
    struct mls_buf names, content;
    mls_buf_init(&names, 256);
    mls_buf_init(&content, 300);
    wire_add_identity(&names, id_of(2));
    mls_wr_u8(&content, CONTENT_WHO);
    mls_wr_vec(&content, mls_buf_span(&names));
    uint32_t version = a.people[2].member->name_version;
    for (int i = 0; i < 20; i++) /* in 6 s */
        say(1, mls_buf_span(&content));
    assembly_run(&a, US_PER_S);
    assert_in_range(a.people[2].member->name_version - version, 1, 4);
    version = a.people[2].member->name_version;
    say(0, mls_buf_span(&content)); /* another is answered at once */
    assert_int_equal(a.people[2].member->name_version, version + 1);
    mls_buf_free(&names);
    mls_buf_free(&content);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_removed_seat_returns_by_no_path),
        cmocka_unit_test(who_is_removed_while_away_does_not_resume),
        cmocka_unit_test(who_left_before_it_was_removed_is_barred_all_the_same),
        cmocka_unit_test(the_right_of_a_host_goes_with_its_seat),
        cmocka_unit_test(a_former_host_commands_nothing),
        cmocka_unit_test(two_members_cannot_hold_the_group),
        cmocka_unit_test(one_bad_package_costs_nobody_else),
        cmocka_unit_test(a_roster_has_one_profile_of_a_person),
        cmocka_unit_test(who_asks_for_names_again_and_again_is_answered_now_and_then),
        cmocka_unit_test(who_was_away_while_a_bad_commit_was_withdrawn_follows_the_log_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
