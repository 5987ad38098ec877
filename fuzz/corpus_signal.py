#!/usr/bin/env python3
"""Writes the seed corpora of the signalling targets: run from the fuzz folder, needs nothing but the SDP vectors."""
import base64, gzip, os, struct

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, '..', 'tests', 'vectors', 'sdp')


def varint(n):
    out = b''
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def record(kind, data):
    return bytes([kind]) + struct.pack('>H', len(data)) + data


def save(target, name, data):
    folder = os.path.join(HERE, 'corpus', target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), 'wb') as out:
        out.write(data)


def vector(name):
    with open(os.path.join(VECTORS, name), 'rb') as text:
        return text.read()


def description(kind, sdp, number):
    return field(1, kind) + field(2, sdp) + field(3, number)


publish = vector('chromium-publish-simulcast.sdp')
layers = b''.join(field(9, field(1, q) + field(2, 320 << q) + field(3, 180 << q)) for q in range(3))
add_video = field(4, field(1, 'b3f97ccf-403c-4cfa-ac5a-1ee7f40d6aef') + field(2, 'cam') + field(3, 1) + field(8, 1) + layers +
                  field(10, field(1, 'vp8')))
add_audio = field(4, field(1, '649cf499-4bd1-4586-8e41-1dc8a277a014') + field(8, 2))
offer = field(1, description('offer', publish, 1))
user = field(2, field(2, 'hello') + field(4, 'topic')) + field(5, 'ben') + field(16, 1)
small = [
    field(5, field(1, 'TR_x') + field(2, 1)),
    field(6, field(1, 'TR_x') + field(2, 1) + field(3, field(1, 'PA_x') + field(2, 'TR_x'))),
    field(7, field(1, 'TR_x') + field(5, 640) + field(6, 360)),
    field(11, field(1, 0) + field(2, field(4, 'ben') + field(2, 1))),
    field(12, field(7, field(1, 'PA_x') + field(2, 3)) + field(6, 'TR_x')),
    field(13, field(9, 1)),
    field(14, 1),
    field(15, field(1, '{}') + field(2, 'name') + field(3, field(1, 'k') + field(2, 'v')) + field(4, 7)),
    field(16, field(1, 5) + field(2, 6)),
    field(19, field(1, 4) + field(2, 'pose')),
    field(20, field(1, 4)),
    field(21, field(1, field(1, 'DTR_x') + field(2, 1))),
]
save('signal', 'publish', record(0, add_video) + record(0, add_audio) + record(0, offer) + record(6, b'') + record(6, b''))
save('signal', 'small', b''.join(record(i & 1, m) for i, m in enumerate(small)))
save('signal', 'leave', record(0, field(8, field(2, 1))) + record(1, field(14, 2)))
save('signal', 'data', record(4, user) + record(12, bytes([0x18, 0, 0, 4, 0, 1, 0, 1, 0, 0, 0, 1]) + b'data'))
save('signal', 'answer', record(0, field(2, description('answer', vector('chromium-subscribe-answer.sdp'), 1))))

join = (field(1, field(1, 1) + field(3, 17) + field(12, 2) + field(13, b'\1\2')) + field(2, field(1, 1) + field(2, 1)) +
        field(6, description('offer', vector('chromium-join.sdp'), 1)))
save('join', 'plain', b'\1' + field(2, join))
save('join', 'zipped', b'\1' + field(1, 1) + field(2, gzip.compress(join, mtime=0)))
save('join', 'resume', b'\1' + field(2, field(7, 1) + field(9, 'PA_x')))
save('join', 'query', b'\0sdk=js&protocol=17&auto_subscribe=0&capabilities=CAP_PACKET_TRAILER&reconnect=1&sid=PA%5Fx')

claims = b'{"iss":"devkey","sub":"ana","exp":1760000600,"nbf":1,"name":"A","metadata":"m","attributes":{"k":"v"},"kind":"agent",' \
         b'"roomConfig":{"emptyTimeout":5},"video":{"room":"tea","roomJoin":true,"canPublishSources":["camera"],"hidden":true}}'
save('token', 'claims', b'\1' + claims)
save('token', 'unsigned', b'\0' + b'.'.join(base64.urlsafe_b64encode(p).rstrip(b'=') for p in (b'{"alg":"HS256"}', claims, b'x' * 32)))

for i, name in enumerate(('chromium-publish-simulcast', 'firefox-publish-simulcast')):
    save('whip', 'publish-%d' % i, b'\0\0' + vector(name + '.sdp'))
save('whip', 'watch', b'\1\0' + vector('chromium-join.sdp'))
save('whip', 'fragment', b'\0\0a=ice-ufrag:abcd\r\na=ice-pwd:passwordpasswordpassword\r\n')
bodies = [b'{"name":"milk","emptyTimeout":"5","tags":{"a":"b"}}', b'{"names":["tea"]}', b'{"room":"tea","identity":"ben"}',
          b'{"room":"tea","identity":"x"}', b'{"room":"tea","identity":"ben","trackSid":"TR_x","muted":true}',
          b'{"room":"tea","identity":"ben","attributes":{"k":"v"},"permission":{"canPublish":true,"canPublishSources":["CAMERA",3]}}',
          b'{"room":"tea","identity":"ben","track_sids":["TR_x"],"subscribe":true}',
          b'{"room":"tea","data":"aGVsbG8=","kind":"LOSSY","topic":"t","nonce":"AAAAAAAAAAAAAAAAAAAAAA=="}',
          b'{"room":"tea","metadata":"m"}', b'{"room":"tea"}']
for i, body in enumerate(bodies):
    save('whip', 'api-%d' % i, bytes([3, i]) + body)
save('whip', 'api-binary', bytes([2, 0]) + field(1, 'milk') + field(2, 5))

# control: a step is a byte and its arguments, see fuzz_control.c
def arrive(who, v1=False, room=0, resume=False):
    return bytes([0, who, (1 if resume else 0) | (2 if v1 else 0) | room << 4])


def act(who, what, how, more=b''):
    return bytes([6, who, what, how]) + more


def message(transport, label, data, zeros=(0, 0)):
    return bytes([2, 2, transport, label, len(data)]) + data + bytes(zeros)


CONNECT, ANSWER, TRACK = b'\1', 3, 0
pair = arrive(0) + arrive(1) + act(0, ANSWER, 0) + act(1, ANSWER, 0) + CONNECT
video = act(0, TRACK, 9) + act(0, TRACK, 0) + CONNECT + bytes([4, 20]) + act(1, ANSWER, 0) + CONNECT + bytes([4, 20])
save('control', 'media', pair + video + act(0, 7, 0) + bytes([4, 200]))
save('control', 'one-connection', arrive(0, True) + arrive(1, True) + CONNECT + video + act(1, 9, 2) + bytes([4, 90]))
save('control', 'resume', pair + video + act(1, 8, 0) + bytes([4, 10]) + arrive(1, resume=True) + act(1, ANSWER, 0))
save('control', 'lists', pair + video + b''.join(act(1, 4, how, bytes([0, 250, 4, 20, 0, 88])) for how in (8, 0, 1, 17, 2, 18, 10, 3)))
save('control', 'texts', pair + b''.join(act(0, 5, how, bytes([127, 14, 88])) + bytes([4, 255]) for how in range(5)))
save('control', 'metadata', b''.join(arrive(i) + act(i, 5, 1, bytes([125, 12, 88])) for i in range(7)) + arrive(7))
save('control', 'data', pair + message(0, 0, user, (200, 7)) + message(1, 1, user) + message(0, 2, bytes([0x18, 0, 0, 4])) +
     bytes([2, 7, 3, 200]))
save('control', 'requests', pair + b''.join(bytes([5, i, 2, 1, 0, 88]) for i in range(8)) + bytes([4, 255, 4, 255]))
save('control', 'refusals', pair + video + b''.join(bytes([2, 6, i, i]) for i in range(13)))
save('control', 'raw', pair + b''.join(act(0, 6, 0, bytes([len(m)]) + m) for m in small if len(m) < 256))
