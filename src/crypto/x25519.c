#include "base/assert.h"
#include "base/secret.h"
#include "crypto/curve25519.h"
#include "crypto/ed25519_point.h"
#include "crypto/fe25519.h"

#define A24 121665 /* RFC 7748 section 5 */

/* decodeScalar25519 (section 5). */
static void clamp(uint8_t k[X25519_LEN], const uint8_t private_key[X25519_LEN]) {
    for (size_t i = 0; i < X25519_LEN; i++)
        k[i] = private_key[i];
    k[0] &= 248;
    k[31] = (uint8_t)((k[31] & 127) | 64);
}

/* One step of the ladder of section 5: (x2 : z2) is doubled and (x3 : z3) becomes the sum, their difference being x1.
 */
static void ladder_step(const struct fe *x1, struct fe *x2, struct fe *z2, struct fe *x3, struct fe *z3) {
    struct fe a, b, c, d, e;
    fe_add(&a, x2, z2);
    fe_sub(&b, x2, z2);
    fe_add(&c, x3, z3);
    fe_sub(&d, x3, z3);
    fe_mul(&d, &d, &a); /* DA */
    fe_mul(&c, &c, &b); /* CB */
    fe_square(&a, &a);  /* AA */
    fe_square(&b, &b);  /* BB */
    fe_add(x3, &d, &c);
    fe_square(x3, x3);
    fe_sub(z3, &d, &c);
    fe_square(z3, z3);
    fe_mul(z3, z3, x1);
    fe_mul(x2, &a, &b);
    fe_sub(&e, &a, &b);
    fe_mul_small(z2, &e, A24);
    fe_add(z2, z2, &a);
    fe_mul(z2, z2, &e);
}

bool x25519(const uint8_t private_key[X25519_LEN], const uint8_t public_key[X25519_LEN], uint8_t shared[X25519_LEN]) {
    ASSERT(private_key != NULL && public_key != NULL && shared != NULL);
    uint8_t k[X25519_LEN];
    struct {
        struct fe x2, z2, x3, z3;
    } s = {.x2 = {{1}}, .z3 = {{1}}};
    struct fe x1;
    clamp(k, private_key);
    fe_load(&x1, public_key);
    s.x3 = x1;
    uint32_t swapped = 0;
    for (size_t t = 255; t-- > 0;) {
        uint32_t bit = (uint32_t)k[t / 8] >> (t % 8) & 1u;
        fe_swap_if(&s.x2, &s.x3, swapped ^ bit);
        fe_swap_if(&s.z2, &s.z3, swapped ^ bit);
        swapped = bit;
        ladder_step(&x1, &s.x2, &s.z2, &s.x3, &s.z3);
    }
    fe_swap_if(&s.x2, &s.x3, swapped);
    fe_swap_if(&s.z2, &s.z3, swapped);
    fe_invert(&s.z2, &s.z2);
    fe_mul(&s.x2, &s.x2, &s.z2);
    fe_store(shared, &s.x2);
    uint32_t zero = fe_is_zero(&s.x2);
    secure_wipe(&s, sizeof s);
    secure_wipe(k, sizeof k);
    return zero == 0;
}

/* The base point times the key on the Edwards curve, where there is a table of its multiples, brought over by the map
 * of section 4.1: u = (1 + y) / (1 - y) = (Z + Y) / (Z - Y). */
void x25519_public(const uint8_t private_key[X25519_LEN], uint8_t public_key[X25519_LEN]) {
    ASSERT(private_key != NULL && public_key != NULL);
    uint8_t k[X25519_LEN];
    struct ed_point p;
    struct fe above, below;
    clamp(k, private_key);
    ed_base_multiply(&p, k);
    fe_add(&above, &p.z, &p.y);
    fe_sub(&below, &p.z, &p.y);
    fe_invert(&below, &below);
    fe_mul(&above, &above, &below);
    fe_store(public_key, &above);
    secure_wipe(k, sizeof k);
    secure_wipe(&p, sizeof p);
    secure_wipe(&below, sizeof below);
}
