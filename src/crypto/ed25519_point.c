#include "crypto/ed25519_point.h"

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/curve25519_table.h"

/* Section 5.1: d, and a square root of -1. */
static const struct fe curve_d = {
    {-10913610, 13857413, -15372611, 6949391, 114729, -8787816, -6275908, -3247719, -18696448, -12055116}};
static const struct fe curve_2d = {
    {-21827239, -5839606, -30745221, 13898782, 229458, 15978800, -12551817, -6495438, 29715968, 9444199}};
static const struct fe root_of_minus_1 = {
    {-32595792, -7943725, 9377950, 3500415, 12389472, -272473, -25146209, -2005654, 326686, 11406482}};

/* A point made ready to be added: Y + X, Y - X, 2 Z, 2 d T. */
struct addend {
    struct fe sum;
    struct fe difference;
    struct fe z_twice;
    struct fe t_2d;
};

/* The same with Z = 1. */
struct affine_addend {
    struct fe sum;
    struct fe difference;
    struct fe t_2d;
};

static void set_identity(struct ed_point *p) {
    *p = (struct ed_point){.y = {{1}}, .z = {{1}}};
}

/* The last lines of both formulas of section 5.1.4. */
static void from_efgh(struct ed_point *p, const struct fe *e, const struct fe *f, const struct fe *g,
                      const struct fe *h, bool with_t) {
    fe_mul(&p->x, e, f);
    fe_mul(&p->y, g, h);
    fe_mul(&p->z, f, g);
    if (with_t)
        fe_mul(&p->t, e, h);
}

/* Section 5.1.4, doubling. T is neither read nor, unless asked for, written. */
static void point_double(struct ed_point *p, bool with_t) {
    struct fe a, b, c, e, f, g, h;
    fe_square(&a, &p->x);
    fe_square(&b, &p->y);
    fe_square(&c, &p->z);
    fe_add(&c, &c, &c);
    fe_add(&h, &a, &b);
    fe_add(&e, &p->x, &p->y);
    fe_square(&e, &e);
    fe_sub(&e, &h, &e);
    fe_sub(&g, &a, &b);
    fe_add(&f, &c, &g);
    from_efgh(p, &e, &f, &g, &h, with_t);
}

/* Section 5.1.4, addition: `d` is 2 Z1 Z2. For a subtraction the caller exchanges sum and difference, and minus is
 * true: the sign of 2 d T changes. */
static void finish_addition(struct ed_point *p, const struct fe *sum, const struct fe *difference,
                            const struct fe *t_2d, const struct fe *d, bool minus, bool with_t) {
    struct fe a, b, c, e, f, g, h;
    fe_sub(&a, &p->y, &p->x);
    fe_mul(&a, &a, difference);
    fe_add(&b, &p->y, &p->x);
    fe_mul(&b, &b, sum);
    fe_mul(&c, &p->t, t_2d);
    fe_sub(&e, &b, &a);
    fe_add(&h, &b, &a);
    if (minus) {
        fe_add(&f, d, &c);
        fe_sub(&g, d, &c);
    } else {
        fe_sub(&f, d, &c);
        fe_add(&g, d, &c);
    }
    from_efgh(p, &e, &f, &g, &h, with_t);
}

static void add(struct ed_point *p, const struct addend *q, bool minus, bool with_t) {
    struct fe d;
    fe_mul(&d, &p->z, &q->z_twice);
    if (minus)
        finish_addition(p, &q->difference, &q->sum, &q->t_2d, &d, true, with_t);
    else
        finish_addition(p, &q->sum, &q->difference, &q->t_2d, &d, false, with_t);
}

static void add_affine(struct ed_point *p, const struct affine_addend *q, bool minus, bool with_t) {
    struct fe d;
    fe_add(&d, &p->z, &p->z);
    if (minus)
        finish_addition(p, &q->difference, &q->sum, &q->t_2d, &d, true, with_t);
    else
        finish_addition(p, &q->sum, &q->difference, &q->t_2d, &d, false, with_t);
}

static void make_addend(struct addend *out, const struct ed_point *p) {
    fe_add(&out->sum, &p->y, &p->x);
    fe_sub(&out->difference, &p->y, &p->x);
    fe_add(&out->z_twice, &p->z, &p->z);
    fe_mul(&out->t_2d, &p->t, &curve_2d);
}

/* ---- the base point, in constant time -------------------------------------------------------------------------- */

/* digit times 256^(4 row) times the base point, for digit in [-8, 8]: the whole row is read. */
static void select_multiple(struct affine_addend *out, size_t row, int32_t digit) {
    uint32_t words[3][8] = {{1}, {1}, {0}}; /* of the identity */
    uint32_t negative = (uint32_t)digit >> 31;
    uint32_t wanted = (uint32_t)((digit ^ -(int32_t)negative) + (int32_t)negative);
    for (uint32_t j = 0; j < 8; j++) {
        uint32_t mask = 0u - ((((j + 1) ^ wanted) - 1) >> 31); /* all ones when j + 1 == wanted */
        for (size_t i = 0; i < 3; i++) {
            for (size_t k = 0; k < 8; k++)
                words[i][k] ^= mask & (words[i][k] ^ base_table[row][j][i][k]);
        }
    }
    fe_load_words(&out->sum, words[0]);
    fe_load_words(&out->difference, words[1]);
    fe_load_words(&out->t_2d, words[2]);
    struct fe minus;
    fe_negate(&minus, &out->t_2d);
    fe_swap_if(&out->sum, &out->difference, negative);
    fe_move_if(&out->t_2d, &minus, negative);
}

/* The scalar is a sum of digit[i] 16^i with digits in [-8, 8]; digits 8 g + j for all g are added together, from the
 * table's row g, and 16^j comes by doubling in between. */
void ed_base_multiply(struct ed_point *p, const uint8_t scalar[32]) {
    int32_t digits[64], carry = 0;
    struct affine_addend q;
    for (size_t i = 0; i < 64; i++) {
        int32_t digit = (scalar[i / 2] >> (4 * (i % 2)) & 15) + carry;
        carry = (digit + 8) >> 4;
        digits[i] = digit - carry * 16;
    }
    digits[63] += carry * 16; /* carry is 0 but for 2^255 - something small: then the digit is 8 */
    set_identity(p);
    for (size_t j = 8; j-- > 0;) {
        for (size_t row = 0; row < 8; row++) {
            select_multiple(&q, row, digits[8 * row + j]);
            add_affine(p, &q, false, true);
        }
        for (size_t i = 0; i < 4 && j > 0; i++)
            point_double(p, i == 3);
    }
    secure_wipe(digits, sizeof digits);
    secure_wipe(&q, sizeof q);
}

/* ---- two public scalars ------------------------------------------------------------------------------------------ */

#define NAF_LEN 256

/* A scalar below 2^253 as a sum of digit[i] 2^i, each digit 0 or odd and below 2^(width - 1), `width` places or more
 * from the next one. */
static void make_naf(int8_t digits[NAF_LEN], const uint8_t scalar[32], unsigned width) {
    uint32_t carry = 0;
    for (size_t i = 0; i < NAF_LEN; i++)
        digits[i] = 0;
    for (size_t at = 0; at < NAF_LEN - 1;) {
        uint32_t window = 0;
        for (size_t i = 0; i < width && at + i < NAF_LEN; i++)
            window |= ((uint32_t)scalar[(at + i) / 8] >> ((at + i) % 8) & 1u) << i;
        window += carry;
        if (window % 2 == 0) {
            /* a carry goes on through ones */
            at++;
            continue;
        }
        carry = window >> (width - 1) & 1u;
        digits[at] = (int8_t)((int32_t)window - (int32_t)(carry << width));
        at += width;
    }
}

void ed_double_multiply_public(struct ed_point *p, const uint8_t a[32], const struct ed_point *point,
                               const uint8_t b[32]) {
    enum { WIDTH_A = 5, WIDTH_B = 4 };
    ASSERT(a[31] < 32 && b[31] < 32);
    int8_t digits_a[NAF_LEN], digits_b[NAF_LEN];
    struct addend multiples[1 << (WIDTH_A - 2)]; /* 1, 3, 5 ... 15 times the point */
    struct affine_addend base[1 << (WIDTH_B - 2)];
    struct ed_point twice = *point, sum = *point;
    make_naf(digits_a, a, WIDTH_A);
    make_naf(digits_b, b, WIDTH_B);
    point_double(&twice, true);
    make_addend(&multiples[0], &sum);
    for (size_t i = 1; i < ARRAY_LEN(multiples); i++) {
        struct addend step;
        make_addend(&step, &twice);
        add(&sum, &step, false, true);
        make_addend(&multiples[i], &sum);
    }
    for (size_t i = 0; i < ARRAY_LEN(base); i++)
        select_multiple(&base[i], 0, (int32_t)(2 * i + 1));
    set_identity(p);
    size_t top = NAF_LEN;
    while (top > 0 && digits_a[top - 1] == 0 && digits_b[top - 1] == 0)
        top--;
    for (size_t i = top; i-- > 0;) {
        int da = digits_a[i], db = digits_b[i];
        point_double(p, da != 0 || db != 0);
        if (da != 0)
            add(p, &multiples[(da < 0 ? -da : da) / 2], da < 0, db != 0);
        if (db != 0)
            add_affine(p, &base[(db < 0 ? -db : db) / 2], db < 0, false);
    }
}

/* ---- bytes ---------------------------------------------------------------------------------------------------------
 */

void ed_encode(uint8_t out[32], const struct ed_point *p) {
    struct fe inverse, x, y;
    fe_invert(&inverse, &p->z);
    fe_mul(&x, &p->x, &inverse);
    fe_mul(&y, &p->y, &inverse);
    fe_store(out, &y);
    out[31] ^= (uint8_t)(fe_is_odd(&x) << 7);
}

bool ed_decode(struct ed_point *p, const uint8_t in[32]) {
    struct fe u, v, v3, check;
    uint8_t again[32];
    uint32_t odd = in[31] >> 7;
    fe_load(&p->y, in);
    fe_store(again, &p->y);
    again[31] ^= (uint8_t)(odd << 7);
    if (!secure_equal(again, in, sizeof again))
        return false; /* y is p or more */
    p->z = (struct fe){{1}};
    fe_square(&u, &p->y);
    fe_mul(&v, &u, &curve_d);
    fe_sub(&u, &u, &p->z); /* u = y^2 - 1 */
    fe_add(&v, &v, &p->z); /* v = d y^2 + 1 */
    fe_square(&v3, &v);
    fe_mul(&v3, &v3, &v);
    fe_square(&p->x, &v3);
    fe_mul(&p->x, &p->x, &v);
    fe_mul(&p->x, &p->x, &u); /* u v^7 */
    fe_power_5_8(&p->x, &p->x);
    fe_mul(&p->x, &p->x, &v3);
    fe_mul(&p->x, &p->x, &u); /* u v^3 (u v^7)^((p - 5) / 8) */
    fe_square(&check, &p->x);
    fe_mul(&check, &check, &v);
    struct fe minus, plus;
    fe_sub(&minus, &check, &u);
    fe_add(&plus, &check, &u);
    if (!fe_is_zero(&minus)) {
        if (!fe_is_zero(&plus))
            return false;
        fe_mul(&p->x, &p->x, &root_of_minus_1);
    }
    if (fe_is_zero(&p->x) && odd)
        return false;
    if (fe_is_odd(&p->x) != odd)
        fe_negate(&p->x, &p->x);
    fe_mul(&p->t, &p->x, &p->y);
    return true;
}

void ed_negate(struct ed_point *p) {
    fe_negate(&p->x, &p->x);
    fe_negate(&p->t, &p->t);
}
