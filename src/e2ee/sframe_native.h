/* SFrame over the native ciphers (crypto/aead.h, aes_ctr.h): suites 1 to 8, whole ciphertexts in one call. Not part of
 * the WebAssembly module, where the host encrypts.
 *
 * Senders and receivers that are used here were made with `cipher = &sframe_native`. With the AES-GCM suites nothing is
 * allocated for a frame; the AES-CTR ones go through the backend's HMAC, which may. Threads: none. */
#ifndef CONCLAVE_E2EE_SFRAME_NATIVE_H
#define CONCLAVE_E2EE_SFRAME_NATIVE_H

#include "e2ee/sframe_receiver.h"
#include "e2ee/sframe_sender.h"

extern const struct sframe_cipher sframe_native;

/* Metadata is copied behind the header to make the AAD, on the stack. */
#define SFRAME_METADATA_LEN_MAX 4096

/* Section 4.4.3: writes header, encrypted data and tag. `out` has room for SFRAME_HEADER_LEN_MAX + text.len +
 * SFRAME_TAG_LEN_MAX bytes and does not overlap `text`. OK, or what sframe_seal_begin answers. metadata.len <=
 * SFRAME_METADATA_LEN_MAX, text.len <= AEAD_MESSAGE_LEN_MAX (asserted). */
enum sframe_status sframe_seal(struct sframe_sender *sender, uint32_t context, struct span metadata, struct span text,
                               uint64_t now_us, uint8_t *out, size_t *out_len);
/* Section 4.4.4. `out` has room for ciphertext.len bytes and does not overlap it. OK; or what sframe_open_begin
 * answers, NOT_AUTHENTIC: `out` then holds nothing of the plaintext. */
enum sframe_status sframe_open(struct sframe_receiver *receiver, uint32_t leaf, struct span metadata,
                               struct span ciphertext, uint64_t now_us, uint8_t *out, size_t *out_len);

/* The AEAD alone, between the steps. seal: writes text.len + nt bytes; `out` is the text's own place or elsewhere.
 * False only for the AES-CTR suites, when memory is short: `out` is then not to be sent. open: `sealed` (at least nt
 * bytes; asserted) ends with the tag; writes sealed.len - nt bytes, zeros when it answers false. */
bool sframe_native_seal(const struct sframe_seal *seal, struct span aad, struct span text, uint8_t *out);
bool sframe_native_open(const struct sframe_open *open, struct span aad, struct span sealed, uint8_t *out);

#endif
