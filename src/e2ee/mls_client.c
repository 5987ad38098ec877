#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

enum mls_status mls_bytes_copy(struct span from, struct mls_bytes *out) {
    *out = (struct mls_bytes){0};
    if (from.len == 0)
        return MLS_OK;
    out->data = mls_alloc(from.len);
    if (out->data == NULL)
        return MLS_NO_MEMORY;
    memcpy(out->data, from.data, from.len);
    out->len = from.len;
    return MLS_OK;
}

void mls_bytes_free(struct mls_bytes *b) {
    mls_free(b->data, b->len);
    *b = (struct mls_bytes){0};
}

enum mls_status mls_output_end(struct mls_buf *out, size_t start, enum mls_status status) {
    if (status == MLS_OK)
        status = out->status;
    if (status != MLS_OK)
        mls_buf_restore(out, start);
    return status;
}

enum mls_status mls_client_create(const struct crypto_backend *crypto, struct mls_client **client) {
    ASSERT(crypto != NULL);
    struct mls_client *made = mls_alloc(sizeof *made);
    if (made == NULL)
        return MLS_NO_MEMORY;
    made->backend = crypto;
    *client = made;
    return MLS_OK;
}

void mls_client_free(struct mls_client *client) {
    if (client == NULL)
        return;
    ASSERT(client->groups == NULL);
    while (client->packages != NULL)
        mls_client_remove_package(client, client->packages);
    for (uint32_t i = 0; i < client->psk_count; i++) {
        mls_bytes_free(&client->psks[i].id);
        mls_bytes_free(&client->psks[i].psk);
    }
    mls_free(client->psks, MLS_CLIENT_PSKS_MAX * sizeof *client->psks);
    mls_free(client, sizeof *client);
}

/* ---- pre-shared keys ---- */

static struct mls_psk *find_psk(const struct mls_client *client, struct span id) {
    for (uint32_t i = 0; i < client->psk_count; i++) {
        if (span_equal(mls_bytes_span(&client->psks[i].id), id))
            return &client->psks[i];
    }
    return NULL;
}

const struct mls_psk *mls_client_psk(const struct mls_client *client, struct span id) {
    return find_psk(client, id);
}

enum mls_status mls_psk_add(struct mls_client *client, struct span id, struct span psk) {
    if (id.len == 0 || id.len > MLS_PSK_ID_LEN_MAX || psk.len < MLS_PSK_LEN_MIN || psk.len > MLS_PSK_LEN_MAX)
        return MLS_PSK_LENGTH;
    if (client->psks == NULL) {
        client->psks = mls_alloc(MLS_CLIENT_PSKS_MAX * sizeof *client->psks);
        if (client->psks == NULL)
            return MLS_NO_MEMORY;
    }
    struct mls_psk *place = find_psk(client, id);
    if (place == NULL && client->psk_count == MLS_CLIENT_PSKS_MAX)
        return MLS_PSKS_TOO_MANY;
    struct mls_psk made = {0};
    enum mls_status status = mls_bytes_copy(id, &made.id);
    if (status == MLS_OK)
        status = mls_bytes_copy(psk, &made.psk);
    if (status != MLS_OK) {
        mls_bytes_free(&made.id);
        return status;
    }
    if (place == NULL) {
        place = &client->psks[client->psk_count++];
    } else {
        mls_bytes_free(&place->id);
        mls_bytes_free(&place->psk);
    }
    *place = made;
    return MLS_OK;
}

void mls_psk_remove(struct mls_client *client, struct span id) {
    struct mls_psk *place = find_psk(client, id);
    if (place == NULL)
        return;
    mls_bytes_free(&place->id);
    mls_bytes_free(&place->psk);
    client->psk_count--;
    *place = client->psks[client->psk_count];
    client->psks[client->psk_count] = (struct mls_psk){0};
}

enum mls_status mls_psk_find(const struct mls_client *client, const struct mls_psk_id *id, struct span *psk) {
    *psk = span_of(NULL, 0);
    if (id->type == MLS_PSK_EXTERNAL) {
        const struct mls_psk *known = mls_client_psk(client, id->id);
        if (known == NULL)
            return MLS_PSK_UNKNOWN;
        *psk = mls_bytes_span(&known->psk);
        return MLS_OK;
    }
    const struct mls_group *g = mls_client_group(client, id->id);
    const struct secret *kept = g == NULL ? NULL : mls_group_resumption(g, id->epoch);
    if (kept == NULL)
        return MLS_PSK_UNKNOWN;
    *psk = secret_span(kept);
    return MLS_OK;
}

/* ---- key packages ---- */

struct mls_package *mls_client_package(const struct mls_client *client, struct span ref) {
    struct mls_package *p = client->packages;
    while (p != NULL && !mls_hash_equal(&p->ref, ref))
        p = p->next;
    return p;
}

void mls_package_free(struct mls_package *package) {
    if (package == NULL)
        return;
    mls_bytes_free(&package->bytes);
    mls_free(package, sizeof *package);
}

void mls_client_remove_package(struct mls_client *client, struct mls_package *package) {
    struct mls_package **link = &client->packages;
    while (*link != package)
        link = &(*link)->next;
    *link = package->next;
    client->package_count--;
    mls_package_free(package);
}

enum mls_status mls_client_add_package(struct mls_client *client, struct mls_package *package) {
    /* the same one again takes the place of the first */
    struct mls_package *same = mls_client_package(client, mls_hash_span(&package->ref));
    if (same != NULL)
        mls_client_remove_package(client, same);
    if (client->package_count >= MLS_KEY_PACKAGES_MAX)
        return MLS_KEY_PACKAGES_TOO_MANY;
    package->next = client->packages;
    client->packages = package;
    client->package_count++;
    return MLS_OK;
}

void mls_key_package_remove(struct mls_client *client, struct span ref) {
    struct mls_package *package = mls_client_package(client, ref);
    if (package != NULL)
        mls_client_remove_package(client, package);
}

void mls_key_packages_keep(struct mls_client *client, uint32_t count) {
    struct mls_package **link = &client->packages;
    for (uint32_t i = 0; i < count && *link != NULL; i++)
        link = &(*link)->next;
    while (*link != NULL)
        mls_client_remove_package(client, *link);
}

struct mls_group *mls_client_group(const struct mls_client *client, struct span group_id) {
    struct mls_group *g = client->groups;
    while (g != NULL && !span_equal(mls_group_id(g), group_id))
        g = g->next;
    return g;
}
