/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An empty hive from nothing: base block, one bin, in it the root key ("nk"), its
 * security descriptor ("sk") and one free cell.  hivex can edit hives but not make one.
 *
 * Source: msuhanov/regf; [MS-DTYP] 2.4 for the descriptor.
 */

#include "hive-new.h"

#include <string.h>

#include "attr.h"
#include "base-block.h"

enum {
    BIN_BYTES = 4096,
    BIN_HEADER = 32,
    NO_CELL = -1,
    ROOT_CELL = BIN_HEADER,
    ROOT_CELL_BYTES = 88, /* length word, 76 bytes of key, "ROOT", to a multiple of 8 */
    SK_CELL = ROOT_CELL + ROOT_CELL_BYTES,
    KEY_HIVE_ENTRY = 0x04,
    KEY_NO_DELETE = 0x08,
    KEY_COMP_NAME = 0x20,
};

/* Self-relative: owner Administrators, group SYSTEM; SYSTEM and Administrators may do
 * everything, Users and all app packages read; keys below inherit. */
static const uint8_t
    security
        [] = {
            1,  0, 0x04, 0x80, /* revision, control: self-relative, DACL present */
            20, 0, 0,    0,    36,   0, 0,    0, 0,    0, 0,    0, 48,   0,
            0,  0, /* owner, group, no SACL, DACL */
            1,  2, 0,    0,    0,    0, 0,    5, 32,   0, 0,    0, 0x20, 2,
            0,  0,                                                 /* S-1-5-32-544 */
            1,  1, 0,    0,    0,    0, 0,    5, 18,   0, 0,    0, /* S-1-5-18 */
            2,  0, 100,  0,    4,    0, 0,    0, /* DACL of four entries */
            0,  2, 20,   0,    0x3F, 0, 0x0F, 0, 1,    1, 0,    0, 0,    0,
            0,  5, 18,   0,    0,    0, 0,    2, 24,   0, 0x3F, 0, 0x0F, 0,
            1,  2, 0,    0,    0,    0, 0,    5, 32,   0, 0,    0, 0x20, 2,
            0,  0, 0,    2,    24,   0, 0x19, 0, 0x02, 0, 1,    2, 0,    0,
            0,  0, 0,    5,    32,   0, 0,    0, 0x21, 2, 0,    0, 0,    2,
            24, 0, 0x19, 0,    0x02, 0, 1,    2, 0,    0, 0,    0, 0,    15,
            2,  0, 0,    0,    1,    0, 0,    0,
        };

_Static_assert(sizeof(security) == 48 + 100, "the lengths in the descriptor hold");

enum { SK_CELL_BYTES = (4 + 20 + sizeof(security) + 7) / 8 * 8 };

static void put_root(uint8_t *cell)
{
    uint8_t *key = cell + 4;

    hive_store_u32(cell, (uint32_t)-ROOT_CELL_BYTES);
    memcpy(key, "nk", 2);
    key[2] = KEY_HIVE_ENTRY | KEY_NO_DELETE | KEY_COMP_NAME;
    hive_store_u32(key + 16, (uint32_t)NO_CELL); /* parent */
    hive_store_u32(key + 28, (uint32_t)NO_CELL); /* keys */
    hive_store_u32(key + 32, (uint32_t)NO_CELL); /* volatile keys */
    hive_store_u32(key + 40, (uint32_t)NO_CELL); /* values */
    hive_store_u32(key + 44, SK_CELL);
    hive_store_u32(key + 48, (uint32_t)NO_CELL); /* class name */
    key[72] = 4;
    memcpy(key + 76, "ROOT", 4);
}

static void put_security(uint8_t *cell)
{
    uint8_t *sk = cell + 4;

    hive_store_u32(cell, (uint32_t)-SK_CELL_BYTES);
    memcpy(sk, "sk", 2);
    hive_store_u32(sk + 4, SK_CELL); /* a ring of one */
    hive_store_u32(sk + 8, SK_CELL);
    hive_store_u32(sk + 12, 1); /* users: the root */
    hive_store_u32(sk + 16, sizeof(security));
    memcpy(sk + 20, security, sizeof(security));
}

void hive_make_empty(uint8_t bytes[HIVE_EMPTY_BYTES])
{
    uint8_t *bin = bytes + HIVE_BASE_BYTES;
    uint32_t free_cell = SK_CELL + SK_CELL_BYTES;

    memset(bytes, 0, HIVE_EMPTY_BYTES);
    memcpy(bytes, "regf", 4);
    hive_store_u32(bytes + HIVE_SEQUENCE_1, 1);
    hive_store_u32(bytes + HIVE_SEQUENCE_2, 1);
    hive_store_u32(bytes + HIVE_MAJOR, 1);
    hive_store_u32(bytes + HIVE_MINOR, 5);
    hive_store_u32(bytes + HIVE_FILE_FORMAT, 1);
    hive_store_u32(bytes + HIVE_ROOT_CELL, ROOT_CELL);
    hive_store_u32(bytes + HIVE_BINS_BYTES, BIN_BYTES);
    hive_store_u32(bytes + HIVE_CLUSTERING, 1);
    hive_store_u32(bytes + HIVE_CHECKSUM, hive_base_checksum(bytes));

    memcpy(bin, "hbin", 4);
    hive_store_u32(bin + 8, BIN_BYTES);
    put_root(bin + ROOT_CELL);
    put_security(bin + SK_CELL);
    hive_store_u32(bin + free_cell, BIN_BYTES - free_cell);
}
