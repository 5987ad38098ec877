#include "oracle.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <usrsctp.h>

#include "base/rng.h"

#define MESSAGE_MAX (1 << 20)

static struct oracle_hooks hooks;
static struct oracle_counts counts;
static struct socket *listener;
static struct socket *sock;
static uint8_t *partial; /* usrsctp hands out a long message in parts, and nothing else before its end */
static size_t partial_len;
static uint16_t partial_stream;
static uint64_t virtual_ms;
static struct rng randomness;
static uint64_t random_bytes;

/* usrsctp measures round trips with this function, whatever time its timers are told: it must see our time. */
__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict now, void *restrict zone);
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    now->tv_sec = (time_t)(virtual_ms / 1000);
    now->tv_usec = (suseconds_t)(virtual_ms % 1000 * 1000);
    return 0;
}

/* usrsctp draws tags, TSNs, keys and the jitter of its timers with this function of its own: they must come from our
 * seed. */
__attribute__((visibility("default"))) void read_random(void *out, size_t len);
void read_random(void *out, size_t len) {
    rng_fill(&randomness, out, len);
    random_bytes += len;
}

static void must(int result, const char *what) {
    if (result < 0 && errno != EINPROGRESS) {
        fprintf(stderr, "usrsctp: %s: %s\n", what, strerror(errno));
        abort();
    }
}

static void check(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "usrsctp: %s\n", what);
        abort();
    }
}

static int on_output(void *address, void *bytes, size_t len, uint8_t tos, uint8_t set_df) {
    (void)address;
    (void)tos;
    (void)set_df;
    hooks.on_packet(hooks.context, bytes, len);
    return 0;
}

static void on_reset(const struct sctp_stream_reset_event *event) {
    size_t count = (event->strreset_length - sizeof *event) / sizeof(uint16_t);
    if ((event->strreset_flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED)) != 0) {
        counts.resets_refused++;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t stream = event->strreset_stream_list[i];
        if (stream < 64 && (event->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0)
            counts.resets_in[stream]++;
        if (stream < 64 && (event->strreset_flags & SCTP_STREAM_RESET_OUTGOING_SSN) != 0)
            counts.resets_out[stream]++;
    }
}

static void on_notification(const union sctp_notification *n) {
    if (n->sn_header.sn_type == SCTP_STREAM_RESET_EVENT)
        on_reset(&n->sn_strreset_event);
    if (n->sn_header.sn_type != SCTP_ASSOC_CHANGE)
        return;
    if (n->sn_assoc_change.sac_state == SCTP_COMM_UP)
        counts.connected = 1;
    else if (n->sn_assoc_change.sac_state == SCTP_RESTART)
        counts.restarted++;
    else if (n->sn_assoc_change.sac_state == SCTP_SHUTDOWN_COMP)
        counts.shut_down++;
    else if (n->sn_assoc_change.sac_state == SCTP_COMM_LOST || n->sn_assoc_change.sac_state == SCTP_CANT_STR_ASSOC)
        counts.lost++;
}

static int on_receive(struct socket *from, union sctp_sockstore address, void *bytes, size_t len,
                      struct sctp_rcvinfo info, int flags, void *context) {
    (void)from;
    (void)address;
    (void)context;
    if (bytes == NULL)
        return 1;
    if ((flags & MSG_NOTIFICATION) != 0) {
        on_notification(bytes);
    } else {
        check(partial_len == 0 || partial_stream == info.rcv_sid, "parts of two messages mixed");
        check(partial_len + len <= MESSAGE_MAX, "message too long");
        memcpy(partial + partial_len, bytes, len);
        partial_stream = info.rcv_sid;
        partial_len += len;
        if ((flags & MSG_EOR) != 0) {
            hooks.on_message(hooks.context, info.rcv_sid, ntohl(info.rcv_ppid), (info.rcv_flags & SCTP_UNORDERED) != 0,
                             partial, partial_len);
            partial_len = 0;
        }
    }
    free(bytes);
    return 1;
}

static struct sockaddr_conn own_address(void) {
    struct sockaddr_conn address = {.sconn_family = AF_CONN, .sconn_port = htons(5000), .sconn_addr = &hooks};
    return address;
}

static void set_up(struct socket *s) {
    uint32_t on = 1;
    struct sctp_initmsg init = {.sinit_num_ostreams = 64, .sinit_max_instreams = 1024, .sinit_max_attempts = 30};
    struct sctp_assoc_value resets = {.assoc_id = SCTP_ALL_ASSOC,
                                      .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ | SCTP_ENABLE_CHANGE_ASSOC_REQ};
    const uint16_t events[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT};
    must(usrsctp_set_non_blocking(s, 1), "non-blocking");
    must(usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on), "nodelay");
    must(usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init), "streams");
    must(usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &resets, sizeof resets), "resets");
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct sctp_event event = {.se_assoc_id = SCTP_ALL_ASSOC, .se_type = events[i], .se_on = 1};
        must(usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event), "events");
    }
}

void oracle_start(uint64_t seed, struct oracle_hooks given) {
    hooks = given;
    memset(&counts, 0, sizeof counts);
    virtual_ms = 1000;
    randomness = rng_seeded(seed);
    random_bytes = 0;
    partial = malloc(MESSAGE_MAX);
    partial_len = 0;
    usrsctp_init_nothreads(0, on_output, NULL);
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_blackhole(2);
    usrsctp_register_address(&hooks);
    struct sockaddr_conn address = own_address();
    struct socket *s = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, on_receive, NULL, 0, NULL);
    must(s == NULL ? -1 : 0, "socket");
    check(random_bytes > 0, "randomness comes from elsewhere");

    set_up(s);
    must(usrsctp_bind(s, (struct sockaddr *)(void *)&address, sizeof address), "bind");
    sock = s;
    listener = NULL;
}

void oracle_connect(void) {
    struct sockaddr_conn address = own_address();
    struct sctp_paddrparams path = {.spp_assoc_id = 0, .spp_flags = SPP_PMTUD_DISABLE | SPP_HB_ENABLE};
    path.spp_pathmtu = 1180;
    path.spp_hbinterval = 5000;
    memcpy(&path.spp_address, &address, sizeof address);
    must(usrsctp_connect(sock, (struct sockaddr *)(void *)&address, sizeof address), "connect");
    must(usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path), "path");
}

void oracle_listen(void) {
    must(usrsctp_listen(sock, 1), "listen");
    listener = sock;
    sock = NULL;
}

void oracle_input(const uint8_t *bytes, size_t len) {
    usrsctp_conninput(&hooks, bytes, len, 0);
    if (listener != NULL && sock == NULL) {
        sock = usrsctp_accept(listener, NULL, NULL);
        if (sock != NULL) {
            counts.connected = 1; /* COMM_UP may have gone to nobody before the accept */
            set_up(sock);
        }
    }
}

void oracle_pass_ms(uint32_t elapsed_ms) {
    virtual_ms += elapsed_ms;
    usrsctp_handle_timers(elapsed_ms);
}

bool oracle_send(uint16_t stream, uint32_t ppid, bool unordered, int retransmits_max, const uint8_t *bytes,
                 size_t len) {
    struct sctp_sendv_spa spa = {.sendv_flags = SCTP_SEND_SNDINFO_VALID};
    spa.sendv_sndinfo.snd_sid = stream;
    spa.sendv_sndinfo.snd_ppid = htonl(ppid);
    spa.sendv_sndinfo.snd_flags = (uint16_t)(SCTP_EOR | (unordered ? SCTP_UNORDERED : 0));
    if (retransmits_max >= 0) {
        spa.sendv_flags |= SCTP_SEND_PRINFO_VALID;
        spa.sendv_prinfo.pr_policy = SCTP_PR_SCTP_RTX;
        spa.sendv_prinfo.pr_value = (uint32_t)retransmits_max;
    }
    ssize_t sent = usrsctp_sendv(sock, bytes, len, NULL, 0, &spa, sizeof spa, SCTP_SENDV_SPA, 0);
    return sent == (ssize_t)len;
}

uint32_t oracle_waiting(void) {
    struct sctp_status status = {0};
    socklen_t len = sizeof status;
    must(usrsctp_getsockopt(sock, IPPROTO_SCTP, SCTP_STATUS, &status, &len), "status");
    return (uint32_t)status.sstat_penddata + status.sstat_unackdata;
}

bool oracle_reset(uint16_t stream) {
    uint8_t memory[sizeof(struct sctp_reset_streams) + sizeof(uint16_t)] __attribute__((aligned(8))) = {0};
    struct sctp_reset_streams *request = (struct sctp_reset_streams *)(void *)memory;
    request->srs_assoc_id = SCTP_ALL_ASSOC;
    request->srs_flags = SCTP_STREAM_RESET_OUTGOING;
    request->srs_number_streams = 1;
    request->srs_stream_list[0] = stream;
    return usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_RESET_STREAMS, memory, sizeof memory) == 0;
}

void oracle_shutdown(void) {
    must(usrsctp_shutdown(sock, SHUT_RDWR), "shutdown");
}

const struct oracle_counts *oracle_counts(void) {
    return &counts;
}

void oracle_stop(void) {
    struct linger now = {.l_onoff = 1, .l_linger = 0}; /* ABORT instead of a slow goodbye */
    if (sock != NULL) {
        (void)usrsctp_setsockopt(sock, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        usrsctp_close(sock);
    }
    if (listener != NULL)
        usrsctp_close(listener);
    sock = listener = NULL;
    usrsctp_deregister_address(&hooks);
    for (int i = 0; usrsctp_finish() != 0; i++) { /* refuses while a socket is not gone */
        check(i < 1000, "a socket stays");
        oracle_pass_ms(10);
    }
    free(partial);
    partial = NULL;
}
