/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was probably meant by a word that nobody knows. */

#include "nearest-word.h"

#include <string.h>

enum { WORD_MAX = 40 };

/* Edits between two words: insert, drop, change, or swap two neighbours. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    size_t la = strlen(a), lb = strlen(b);

    if (la > WORD_MAX || lb > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                above2[j - 2] + 1 < best)
                best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[la % 3][lb];
}

const char *nearest_word(const char *text, const char *const *words)
{
    const char *nearest = NULL;
    unsigned least = 3; /* farther away it is another word */

    for (; *words; words++) {
        unsigned d = distance(text, *words);

        if (d < least && d < strlen(*words)) {
            least = d;
            nearest = *words;
        }
    }
    return nearest;
}
