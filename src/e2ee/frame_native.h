/* Frames sealed and opened in one call over the native ciphers; contracts of frame.h. Not part of the WebAssembly
 * module. Sender and receiver were made with `cipher = &sframe_native`. Nothing is allocated for a frame with the
 * AES-GCM suites. */
#ifndef CONCLAVE_E2EE_FRAME_NATIVE_H
#define CONCLAVE_E2EE_FRAME_NATIVE_H

#include "e2ee/frame.h"
#include "e2ee/sframe_native.h"

enum sframe_status frame_seal(struct sframe_sender *sender, uint32_t context, const struct frame_info *info,
                              struct span frame, uint64_t now_us, uint8_t *out, size_t out_size, size_t *len);
/* On refusal nothing of the plaintext is in `out`. */
enum sframe_status frame_open(struct sframe_receiver *receiver, uint32_t leaf, const struct frame_info *info,
                              struct span sealed, uint64_t now_us, uint8_t *out, size_t out_size, size_t *len);

#endif
