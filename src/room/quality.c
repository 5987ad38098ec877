#include "room/quality.h"

#include "base/assert.h"

#define SCORE_BEST 4.6f
#define SCORE_WORST 1.0f
#define EXCELLENT_ABOVE 4.1f
#define GOOD_ABOVE 3.0f
#define HYSTERESIS 0.1f

/* After the E-model (ITU-T G.107): delay costs little below 177 ms and much above; loss with concealment and forward
 * error correction costs as a saturating curve. */
static float transmission_rating(float delay_ms, float loss_percent) {
    float rating = 93.2f - 0.024f * delay_ms;
    if (delay_ms > 177.3f)
        rating -= 0.11f * (delay_ms - 177.3f);
    return rating - 95.0f * loss_percent / (loss_percent + 20.0f);
}

float quality_score(const struct engine_stats *stats) {
    ASSERT(stats != NULL);
    uint16_t loss =
        stats->rx_loss_permille > stats->tx_loss_permille ? stats->rx_loss_permille : stats->tx_loss_permille;
    /* one way to the far end and its jitter buffer, which holds about two deviations */
    float delay_ms = (float)stats->rtt_us / 2000.0f + (float)stats->rx_jitter_us / 500.0f;
    float rating = transmission_rating(delay_ms, (float)loss / 10.0f);
    if (rating < 0)
        return SCORE_WORST;
    if (rating > 100)
        rating = 100;
    float score = 1.0f + 0.035f * rating + rating * (rating - 60.0f) * (100.0f - rating) * 7e-6f;
    if (score > SCORE_BEST)
        return SCORE_BEST;
    return score < SCORE_WORST ? SCORE_WORST : score;
}

enum room_connection quality_class(float score, enum room_connection now) {
    float excellent = EXCELLENT_ABOVE + (now == ROOM_EXCELLENT ? -HYSTERESIS : HYSTERESIS);
    float good = GOOD_ABOVE + (now == ROOM_EXCELLENT || now == ROOM_GOOD ? -HYSTERESIS : HYSTERESIS);
    if (score > excellent)
        return ROOM_EXCELLENT;
    return score > good ? ROOM_GOOD : ROOM_POOR;
}
