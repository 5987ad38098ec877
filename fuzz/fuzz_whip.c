/* Bodies of HTTP requests: WHIP and WHEP offers, fragments for a resource, and the room API. */
#include "signal_common.h"

static void post(struct control *control, const char *method, const char *path, const char *type, const char *if_match,
                 struct span body, struct control_http_reply *reply) {
    char token[2048];
    fuzz_token(control, "ana", token);
    struct control_http_request request = {.method = span_str(method),
                                           .path = span_str(path),
                                           .authorization = span_str(token),
                                           .content_type = span_str(type),
                                           .if_match = span_str(if_match),
                                           .body = body};
    control_http(control, FUZZ_NOW_US, FUZZ_UNIX_US, &request, reply);
    fuzz_drain(control, NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const methods[] = {
        "CreateRoom",        "ListRooms",           "GetParticipant", "RemoveParticipant",  "MutePublishedTrack",
        "UpdateParticipant", "UpdateSubscriptions", "SendData",       "UpdateRoomMetadata", "ListParticipants"};
    if (size < 2)
        return 0;
    struct control_config config = fuzz_config();
    struct rng rng = rng_seeded(1);
    struct control *control = control_create(&config, &rng, FUZZ_NOW_US, FUZZ_UNIX_US);
    struct span body = span_of(data + 2, size - 2);
    struct control_http_reply reply;
    char path[CONTROL_HTTP_LOCATION_LEN_MAX + 64];
    switch (data[0] & 3) {
    case 0:
    case 1:
        post(control, "POST", (data[0] & 1) != 0 ? "/whep/v1" : "/whip/v1", "application/sdp", "", body, &reply);
        if (reply.status != 201)
            break;
        /* once more, as a fragment for what it made */
        (void)snprintf(path, sizeof path, "%s", reply.location);
        post(control, "PATCH", path, "application/trickle-ice-sdpfrag", "*", body, &reply);
        post(control, "DELETE", path, "", "", span_of(NULL, 0), &reply);
        break;
    default: {
        uint32_t session = fuzz_join(control, "ben");
        (void)snprintf(path, sizeof path, "/twirp/livekit.RoomService/%s",
                       methods[data[1] % (sizeof methods / sizeof methods[0])]);
        post(control, "POST", path, (data[0] & 1) != 0 ? "application/json" : "application/protobuf", "", body, &reply);
        fuzz_drain(control, &session, 1);
    }
    }
    control_destroy(control);
    return 0;
}
