/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The framing of encrypted messages, byte by byte. */

#include "encrypted.h"
#include "err.h"
#include "test.h"
#include "text.h"

#define HEAD(tab, length)                                                     \
    "--Encrypted Boundary\r\n" tab                                            \
    "Content-Type: application/HTTP-SPNEGO-session-encrypted\r\n" tab         \
    "OriginalContent: type=application/soap+xml;charset=UTF-8;Length=" length \
    "\r\n--Encrypted Boundary\r\n" tab "Content-Type: application/octet-stream\r\n"
#define END "--Encrypted Boundary--\r\n"

static bool find(const char *text, size_t len, struct encrypted_part *part)
{
    struct err err = ERR_INIT;
    /* Of its exact size, so that a sanitizer sees every byte read behind it. */
    CLEANUP(free_cleanup) char *copy = malloc(len ? len : 1);
    bool ok;

    memcpy(copy, text, len);
    ok = encrypted_find(copy, len, part, &err);
    CHECK(ok || err.kind == ERR_PROTOCOL);
    if (ok)
        part->token = text + (part->token - copy);
    return ok;
}

#define FIND(literal, part) find(literal, sizeof(literal) - 1, part)

TEST(a_message_has_the_form_of_the_specification)
{
    CLEANUP(strbuf_cleanup) struct strbuf header = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf data = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf message = STRBUF_INIT;
    static const char want[] = HEAD("\t", "5") "\3\0\0\0abc\0xyz\0" END;

    strbuf_add(&header, "abc", 3);
    strbuf_add(&data, "\0xyz\0", 5);
    encrypted_put(&message, false, &header, &data);
    CHECK_EQ(message.len, sizeof(want) - 1);
    CHECK(message.len == sizeof(want) - 1 && !memcmp(message.text, want, message.len));
}

TEST(what_is_put_is_found_whatever_it_holds)
{
    static const char boundary[] = "\r\n" END HEAD("\t", "1");

    for (size_t len = 0; len < 3000; len = len * 2 + 1) {
        CLEANUP(strbuf_cleanup) struct strbuf header = STRBUF_INIT;
        CLEANUP(strbuf_cleanup) struct strbuf data = STRBUF_INIT;
        CLEANUP(strbuf_cleanup) struct strbuf message = STRBUF_INIT;
        struct encrypted_part part;

        for (size_t i = 0; i < 60; i++)
            strbuf_putc(&header, (char)(i * 7));
        for (size_t i = 0; i < len; i++)
            strbuf_putc(&data, boundary[i % sizeof(boundary)]);
        encrypted_put(&message, false, &header, &data);
        CHECK(find(message.text, message.len, &part));
        CHECK(part.header_len == 60 && part.data_len == len);
        CHECK(!memcmp(part.token, header.text, 60));
        CHECK(!len || !memcmp(part.token + 60, data.text, len));
        /* Cut anywhere it is not found. */
        for (size_t cut = 0; cut < message.len - 2; cut += 1 + cut / 16)
            CHECK(!find(message.text, cut, &part));
    }
}

TEST(peers_that_write_it_their_own_way_are_understood)
{
    struct encrypted_part part;

    test_case("OMI: no tabs, one line more");
    CHECK(FIND(HEAD("", "2") "\1\0\0\0Hab" END "\r\n", &part));
    CHECK(part.header_len == 1 && part.data_len == 2);
    test_case("IIS: blanks");
    CHECK(FIND("-- Encrypted Boundary\r\n\tOriginalContent: type=x;Length=2\r\n"
               "-- Encrypted Boundary\r\nContent-Type: application/octet-stream\r\n"
               "\1\0\0\0Hab-- Encrypted Boundary--\r\n",
               &part));
}

TEST(wrong_lengths_are_refused)
{
    struct encrypted_part part;

    CHECK(!FIND("", &part));
    CHECK(!FIND(HEAD("\t", "2"), &part));
    CHECK(!FIND(HEAD("\t", "2") "\1\0\0", &part));
    test_case("data too short, too long");
    CHECK(!FIND(HEAD("\t", "3") "\1\0\0\0Hab" END, &part));
    CHECK(!FIND(HEAD("\t", "1") "\1\0\0\0Hab" END, &part));
    test_case("header too long");
    CHECK(!FIND(HEAD("\t", "2") "\xff\xff\xff\xffHab" END, &part));
    CHECK(!FIND(HEAD("\t", "2") "\x05\0\0\0Hab" END, &part));
    test_case("lengths that overflow");
    CHECK(!FIND(HEAD("\t", "18446744073709551615") "\1\0\0\0Hab" END, &part));
    CHECK(!FIND(HEAD("\t", "99999999999999999999") "\1\0\0\0Hab" END, &part));
    CHECK(!FIND(HEAD("\t", "-2") "\1\0\0\0Hab" END, &part));
    CHECK(!FIND(HEAD("\t", "") "\1\0\0\0Hab" END, &part));
    test_case("no end");
    CHECK(!FIND(HEAD("\t", "2") "\1\0\0\0Hab", &part));
    CHECK(!FIND(HEAD("\t", "2") "\1\0\0\0Hab--Encrypted Boundary\r\n", &part));
}

TEST(the_type_is_known_by_its_words)
{
    CHECK(encrypted_is_type(encrypted_type(false)) &&
          encrypted_is_type(encrypted_type(true)));
    CHECK(encrypted_is_type("multipart/encrypted; boundary=\"Encrypted Boundary\"; "
                            "protocol=\"application/HTTP-Kerberos-session-encrypted\""));
    CHECK(!encrypted_is_type("multipart/encrypted;protocol=\"application/pgp\""));
    CHECK(!encrypted_is_type("application/soap+xml"));
    CHECK(!encrypted_is_type(NULL));
}
