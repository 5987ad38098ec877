#!/usr/bin/env python3
"""Writes the corpora of the targets sframe and frame: fuzz/make_corpus_sframe.py (from anywhere)."""
import os

HERE = os.path.dirname(os.path.abspath(__file__))
OPUS, VP8, VP9, H264, AV1 = 1, 2, 3, 4, 5
SEAL, OPEN, UNESCAPE = 0, 6, 12  # added to the codec
START = bytes.fromhex('00000001')
SPS = START + bytes.fromhex('6742c0158c8d40a0cbcf350606060784423500')
PPS = START + bytes.fromhex('68ce3c80')
IDR = START + bytes.fromhex('65b80004000008fffcbf514000402feabaf5')
DELTA = bytes.fromhex('000001') + bytes.fromhex('41e0004000be408f85831c2e19757df17800000301') + b'\x80'
SEI = START + bytes.fromhex('0605') + b'\x10' + bytes(range(16)) + b'\x80'
HEADER = bytes.fromhex('900701')  # KID: context 0, leaf 7, epoch 1; CTR 0
TAG = bytes(range(100, 116))


def write(target, files):
    folder = os.path.join(HERE, 'corpus', target)
    os.makedirs(folder, exist_ok=True)
    for name, data in files.items():
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(data)


def steps(suite, *pairs):
    return bytes([suite - 1]) + b''.join(bytes(pair) for pair in pairs)


def any_bytes(operation, data):
    return bytes([operation, len(data)]) + data


SEALED, LAST, CHANGED, INSTALL, SWITCH, WAIT = 1, 2, 3, 4, 5, 6

write('sframe', {
    'header_short': bytes.fromhex('35'),
    'header_long': bytes.fromhex('ff01020304050607080102030405060708'),
    'header_not_minimal': bytes.fromhex('8007'),
    'header_truncated': bytes.fromhex('9901'),
    **{f'suite_{suite}': steps(suite, (INSTALL, 0), (SEALED, 33), (CHANGED, 5), (LAST, 0), (LAST, 0), (SEALED, 0),
                               (LAST, 0)) for suite in range(1, 9)},
    'epochs': steps(5, (SEALED, 1), (INSTALL, 100), (WAIT, 10), (SEALED, 2), (SWITCH, 0), (SEALED, 3), (INSTALL, 200),
                    (LAST, 0), (SWITCH, 1), (SEALED, 4), (LAST, 0), (WAIT, 200), (LAST, 0), (SEALED, 5), (LAST, 0)),
    'epochs_of_equal_low_bits': steps(4, *[(INSTALL, 7), (SEALED, 9), (LAST, 0)] * 20),
    'many_epochs': steps(5, *[(INSTALL, 255), (SEALED, 9), (LAST, 0)] * 20),
    'many_streams': steps(5, (INSTALL, 0), *[pair for i in range(12) for pair in ((SEALED, 40 + i), (LAST, 0))],
                          (INSTALL, 0), (WAIT, 255), (SEALED, 60), (LAST, 0)),
    'made_up': steps(5, (INSTALL, 0), (SEALED, 10), (LAST, 0),
                     *[any_bytes(0 if i % 2 else 7, bytes([0x90, i, 1]) + TAG * 2) for i in range(12)], (LAST, 0)),
    'switched_twice': steps(8, (INSTALL, 0), (SEALED, 3), (SWITCH, 2), (SWITCH, 0), (SWITCH, 2), (LAST, 0)),
    'expired': steps(5, (INSTALL, 0), (SEALED, 10), (INSTALL, 0), (WAIT, 149), (LAST, 0), (WAIT, 2), (LAST, 0)),
})

unit = SPS + PPS + SEI + IDR
write('frame', {
    'opus': bytes([OPUS + SEAL, 1, 7]) + b'\x78' + bytes(40),
    'vp8_key': bytes([VP8 + SEAL, 2, 7]) + bytes.fromhex('1002009d012a80026801') + bytes(30),
    'vp8_delta': bytes([VP8 + SEAL, 2, 7]) + bytes.fromhex('1102') + bytes(30),
    'vp8_short_key': bytes([VP8 + SEAL, 2, 7]) + bytes.fromhex('1002009d'),
    'vp9': bytes([VP9 + SEAL, 7, 7]) + bytes.fromhex('82498342') + bytes(30),
    'av1': bytes([AV1 + SEAL, 7, 7]) + bytes.fromhex('12000a0b') + bytes(130),
    'h264_key': bytes([H264 + SEAL, 2, 7]) + unit,
    'h264_slices': bytes([H264 + SEAL, 2, 7]) + unit + DELTA + DELTA,
    'h264_delta': bytes([H264 + SEAL, 2, 7]) + DELTA,
    'h264_sets_only': bytes([H264 + SEAL, 2, 7]) + SPS + PPS,
    'h264_delimiter': bytes([H264 + SEAL, 2, 7]) + START + b'\x09\xf0' + bytes(3) + DELTA,
    'h264_zeros': bytes([H264 + SEAL, 2, 7]) + START + b'\x41\x9a' + bytes(60),
    'h264_long_value': bytes([H264 + SEAL, 2, 7]) + START + bytes.fromhex('410000030040000003023faa'),
    'h264_empty_unit': bytes([H264 + SEAL, 2, 7]) + START + b'\x67' + START + START + b'\x65\x88\x84',
    'empty': bytes([OPUS + SEAL, 1, 7]),
    'open_opus': bytes([OPUS + OPEN, 1, 7]) + HEADER + bytes(20) + TAG + b'\x80',
    'open_vp8': bytes([VP8 + OPEN, 2, 7]) + b'\x11' + HEADER + bytes(20) + TAG + b'\x81',
    'open_vp8_key': bytes([VP8 + OPEN, 2, 7]) + bytes.fromhex('1002009d012a80026801') + HEADER + TAG + b'\x8a',
    'open_wrong_trailer': bytes([VP8 + OPEN, 2, 7]) + b'\x11' + HEADER + TAG + b'\x82',
    'open_long_trailer': bytes([H264 + OPEN, 2, 7]) + START + b'\x06' + b'\x55' * 150 + IDR[:6] + HEADER + TAG +
                         b'\x00\xa1\xff',
    'open_h264': bytes([H264 + OPEN, 2, 7]) + SPS[:-1] + PPS + IDR[:6] + HEADER + b'\x55' * 20 + TAG + b'\xa4',
    'open_h264_escapes': bytes([H264 + OPEN, 2, 7]) + START + b'\x41\x9a' + HEADER + bytes.fromhex('000003') * 9 + TAG +
                         b'\x86',
    'open_h264_bad_escape': bytes([H264 + OPEN, 2, 7]) + START + b'\x41\x9a' + HEADER + bytes.fromhex('00000304') + TAG +
                            b'\x86',
    'open_av1': bytes([AV1 + OPEN, 2, 7]) + b'\x2a\x28' + HEADER + bytes(20) + TAG + b'\x80',
    'open_av1_long': bytes([AV1 + OPEN, 2, 7]) + b'\x2a\xdc\x01' + HEADER + bytes(200) + TAG + b'\x80',
    'open_av1_not_minimal': bytes([AV1 + OPEN, 2, 7]) + b'\x2a\xa8\x00' + HEADER + bytes(20) + TAG + b'\x80',
    'open_other_sender': bytes([OPUS + OPEN, 1, 8]) + HEADER + bytes(20) + TAG + b'\x80',
    'unescape': bytes([UNESCAPE, 0, 0]) + bytes.fromhex('0000000301000003000000030380'),
})
