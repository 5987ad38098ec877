/* Connection quality of a participant from the statistics of its transports: a score of 1 to 5, as a listener would
 * give it, and its class (LiveKit client protocol). Loss that retransmission repaired does not count. ROOM_LOST is
 * never concluded from statistics: clients react to it with a full reconnect, so it is only said of a transport that is
 * really gone. */
#ifndef CONCLAVE_ROOM_QUALITY_H
#define CONCLAVE_ROOM_QUALITY_H

#include "media/engine.h"
#include "room/room.h"

float quality_score(const struct engine_stats *stats);
/* With hysteresis around the class it has now. */
enum room_connection quality_class(float score, enum room_connection now);

#endif
