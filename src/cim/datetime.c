/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points in time and intervals, in the CIM form (DSP0004 5.2.4) and as ISO 8601. */
#include <stdio.h>
#include <string.h>

#include "cim.h"
#include "err.h"

#define USEC_PER_SEC INT64_C(1000000)
#define SEC_PER_DAY INT64_C(86400)

enum {
    DAYS_TO_1601 = 584694, /* days from 0000-03-01 to 1601-01-01 */
    MAX_INTERVAL_DAYS = 99999999
};

struct civil {
    int64_t year;
    unsigned month, day, hour, minute, second, usec;
};

/* Days since 1601-01-01 of a Gregorian date.  The year begins in March here, so
 * that the leap day is its last (Howard Hinnant, chrono-compatible date algorithms). */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2), era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - DAYS_TO_1601;
}

static void date_of(int64_t days, struct civil *ret)
{
    int64_t z = days + DAYS_TO_1601, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    ret->day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    ret->month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    ret->year = yoe + era * 400 + (ret->month <= 2);
}

static bool civil_is_valid(const struct civil *c)
{
    static const uint8_t days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;

    if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12)
        return false;
    if (c->day < 1 || c->day > days[c->month - 1] ||
        (c->month == 2 && c->day == 29 && !leap))
        return false;
    return c->hour < 24 && c->minute < 60 && c->second < 60 && c->usec < USEC_PER_SEC;
}

static int64_t civil_to_usec(const struct civil *c)
{
    int64_t sec = days_of(c->year, c->month, c->day) * SEC_PER_DAY + c->hour * 3600 +
                  c->minute * 60 + c->second;

    return sec * USEC_PER_SEC + c->usec;
}

static void civil_from_usec(int64_t usec, struct civil *ret)
{
    int64_t sec = usec / USEC_PER_SEC, part = usec % USEC_PER_SEC, days, rest;

    if (part < 0) {
        part += USEC_PER_SEC;
        sec--;
    }
    days = sec / SEC_PER_DAY;
    rest = sec % SEC_PER_DAY;
    if (rest < 0) {
        rest += SEC_PER_DAY;
        days--;
    }
    date_of(days, ret);
    /* Outside what either form can write: the nearest that it can. */
    if (ret->year < 1 || ret->year > 9999) {
        *ret = ret->year < 1 ? (struct civil){ 1, 1, 1, 0, 0, 0, 0 }
                             : (struct civil){ 9999, 12, 31, 23, 59, 59, 999999 };
        return;
    }
    ret->hour = (unsigned)(rest / 3600);
    ret->minute = (unsigned)(rest / 60 % 60);
    ret->second = (unsigned)(rest % 60);
    ret->usec = (unsigned)part;
}

/* Exactly @n digits. */
static bool digits(const char **at, unsigned n, unsigned *ret)
{
    unsigned value = 0;

    for (unsigned i = 0; i < n; i++) {
        char c = (*at)[i];

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (unsigned)(c - '0');
    }
    *at += n;
    *ret = value;
    return true;
}

static bool literal(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* ".123" to microseconds.  Digits beyond the sixth are dropped: Windows counts in
 * tenths of a microsecond and sometimes shows it. */
static bool fraction(const char **at, unsigned *ret)
{
    unsigned value = 0, count = 0;

    *ret = 0;
    if (**at != '.' && **at != ',')
        return true;
    ++*at;
    for (; **at >= '0' && **at <= '9'; ++*at, count++)
        if (count < 6)
            value = value * 10 + (unsigned)(**at - '0');
    if (count == 0 || count > 20)
        return false;
    for (; count < 6; count++)
        value *= 10;
    *ret = value;
    return true;
}

/* WMI writes '*' for digits that are not known; only the fraction and the zone may
 * be unknown here, and count as zero. */
static bool digits_or_stars(const char **at, unsigned n, unsigned *ret)
{
    if (**at != '*')
        return digits(at, n, ret);
    for (unsigned i = 0; i < n; i++)
        if ((*at)[i] != '*')
            return false;
    *at += n;
    *ret = 0;
    return true;
}

static bool parse_cim(const char *at, struct cim_datetime *ret)
{
    struct civil c = { 0 };
    unsigned date, zone, year;
    char sign;

    if (!digits(&at, 8, &date) || !digits(&at, 2, &c.hour) || !digits(&at, 2, &c.minute) ||
        !digits(&at, 2, &c.second) || !literal(&at, '.') ||
        !digits_or_stars(&at, 6, &c.usec))
        return false;
    sign = *at++;
    if (sign == ':') {
        if (strcmp(at, "000") != 0 || c.hour > 23 || c.minute > 59 || c.second > 59)
            return false;
        *ret = (struct cim_datetime){ .interval = true };
        ret->usec =
            (date * SEC_PER_DAY + c.hour * 3600 + c.minute * 60 + c.second) * USEC_PER_SEC +
            c.usec;
        return true;
    }
    if ((sign != '+' && sign != '-') || !digits_or_stars(&at, 3, &zone) || *at)
        return false;
    year = date / 10000;
    c.year = year;
    c.month = date / 100 % 100;
    c.day = date % 100;
    if (!civil_is_valid(&c))
        return false;
    *ret = (struct cim_datetime){ .offset_minutes =
                                      (int16_t)(sign == '-' ? -(int)zone : (int)zone) };
    ret->usec = civil_to_usec(&c) - ret->offset_minutes * 60 * USEC_PER_SEC;
    return true;
}

static bool parse_iso_zone(const char *at, int16_t *ret)
{
    unsigned hours, minutes;
    bool minus = *at == '-';

    *ret = 0;
    if (*at == '\0' || strcmp(at, "Z") == 0)
        return true; /* no zone: UTC is what WMI means */
    if (*at != '+' && *at != '-')
        return false;
    at++;
    if (!digits(&at, 2, &hours) || !literal(&at, ':') || !digits(&at, 2, &minutes) || *at ||
        hours > 14 || minutes > 59)
        return false;
    *ret = (int16_t)(hours * 60 + minutes);
    if (minus)
        *ret = (int16_t) - *ret;
    return true;
}

static bool parse_iso_point(const char *at, struct cim_datetime *ret)
{
    struct civil c = { 0 };
    struct cim_datetime t = { 0 };
    unsigned year;
    bool end_of_day;

    if (!digits(&at, 4, &year) || !literal(&at, '-') || !digits(&at, 2, &c.month) ||
        !literal(&at, '-') || !digits(&at, 2, &c.day))
        return false;
    c.year = year;
    if (*at) {
        if (!literal(&at, 'T') || !digits(&at, 2, &c.hour) || !literal(&at, ':') ||
            !digits(&at, 2, &c.minute) || !literal(&at, ':') ||
            !digits(&at, 2, &c.second) || !fraction(&at, &c.usec) ||
            !parse_iso_zone(at, &t.offset_minutes))
            return false;
    }
    end_of_day = c.hour == 24 && c.minute == 0 && c.second == 0 && c.usec == 0;
    if (end_of_day)
        c.hour = 0;
    if (!civil_is_valid(&c))
        return false;
    t.usec = civil_to_usec(&c) - t.offset_minutes * 60 * USEC_PER_SEC +
             (end_of_day ? SEC_PER_DAY * USEC_PER_SEC : 0);
    *ret = t;
    return true;
}

/* xs:duration without years and months, whose length nobody can tell. */
static bool parse_iso_interval(const char *at, struct cim_datetime *ret)
{
    static const struct {
        char unit;
        bool after_t;
        int64_t seconds;
    } units[] = {
        { 'Y', false, 0 },   { 'M', false, 0 }, { 'D', false, SEC_PER_DAY },
        { 'H', true, 3600 }, { 'M', true, 60 }, { 'S', true, 1 },
    };
    const int64_t max_seconds = (MAX_INTERVAL_DAYS + INT64_C(1)) * SEC_PER_DAY - 1;
    int64_t seconds = 0;
    unsigned usec = 0, parts = 0, next = 0;
    bool after_t = false;

    if (!literal(&at, 'P'))
        return false;
    while (*at) {
        int64_t n = 0;
        unsigned part = 0;
        const char *start;

        if (*at == 'T') {
            if (after_t)
                return false;
            after_t = true;
            at++;
        }
        for (start = at; *at >= '0' && *at <= '9'; at++) {
            if (n > max_seconds)
                return false;
            n = n * 10 + (*at - '0');
        }
        if (at == start || !fraction(&at, &part))
            return false;
        while (next < 6 && (units[next].unit != *at || units[next].after_t != after_t))
            next++;
        if (next == 6 || (part && *at != 'S') || (n && units[next].seconds == 0))
            return false;
        if (units[next].seconds && n > max_seconds / units[next].seconds)
            return false;
        seconds += n * units[next].seconds;
        if (seconds > max_seconds)
            return false;
        usec = part ? part : usec;
        next++;
        parts++;
        at++;
    }
    if (parts == 0)
        return false;
    *ret = (struct cim_datetime){ .interval = true, .usec = seconds * USEC_PER_SEC + usec };
    return true;
}

bool cim_datetime_parse(const char *text, struct cim_datetime *ret, struct err *err)
{
    bool ok;

    if (*text == 'P')
        ok = parse_iso_interval(text, ret);
    else if (strlen(text) > 4 && text[4] == '-')
        ok = parse_iso_point(text, ret);
    else
        ok = parse_cim(text, ret);
    if (!ok)
        return err_fail(err, ERR_INVALID, 0, "'%.60s' is no date, time or interval", text);
    return true;
}

/* An interval is never negative in either form. */
static void split_interval(int64_t usec, unsigned *days, struct civil *ret)
{
    int64_t sec;

    if (usec < 0)
        usec = 0;
    sec = usec / USEC_PER_SEC;
    if (sec / SEC_PER_DAY > MAX_INTERVAL_DAYS) {
        sec = (MAX_INTERVAL_DAYS + INT64_C(1)) * SEC_PER_DAY - 1;
        usec = sec * USEC_PER_SEC + USEC_PER_SEC - 1;
    }
    *days = (unsigned)(sec / SEC_PER_DAY);
    ret->hour = (unsigned)(sec % SEC_PER_DAY / 3600);
    ret->minute = (unsigned)(sec / 60 % 60);
    ret->second = (unsigned)(sec % 60);
    ret->usec = (unsigned)(usec % USEC_PER_SEC);
}

void cim_datetime_to_cim(const struct cim_datetime *t, char ret[26])
{
    struct civil c = { 0 };
    unsigned days;
    int zone = t->offset_minutes;

    if (t->interval) {
        split_interval(t->usec, &days, &c);
        snprintf(ret, 26, "%08u%02u%02u%02u.%06u:000", days % 100000000u, c.hour % 24u,
                 c.minute % 60u, c.second % 60u, c.usec % 1000000u);
        return;
    }
    if (zone < -999 || zone > 999)
        zone = 0;
    civil_from_usec(t->usec + zone * 60 * USEC_PER_SEC, &c);
    snprintf(ret, 26, "%04u%02u%02u%02u%02u%02u.%06u%c%03u", (unsigned)c.year % 10000u,
             c.month % 100u, c.day % 100u, c.hour % 100u, c.minute % 100u, c.second % 100u,
             c.usec % 1000000u, zone < 0 ? '-' : '+',
             (unsigned)(zone < 0 ? -zone : zone) % 1000u);
}

void cim_datetime_to_iso(const struct cim_datetime *t, char ret[40])
{
    struct civil c = { 0 };
    unsigned days;
    int n;

    if (t->interval) {
        split_interval(t->usec, &days, &c);
        n = snprintf(ret, 40, "P%uDT%uH%uM%u", days, c.hour, c.minute, c.second);
    } else {
        civil_from_usec(t->usec, &c);
        n = snprintf(ret, 40, "%04u-%02u-%02uT%02u:%02u:%02u", (unsigned)c.year % 10000u,
                     c.month % 100u, c.day % 100u, c.hour % 100u, c.minute % 100u,
                     c.second % 100u);
    }
    /* As Windows does: no more digits than needed (measured: r4sd/go-wsman recordings). */
    if (c.usec) {
        n += snprintf(ret + n, 40 - (size_t)n, ".%06u", c.usec % 1000000u);
        while (ret[n - 1] == '0')
            n--;
    }
    ret[n++] = t->interval ? 'S' : 'Z';
    ret[n] = '\0';
}
