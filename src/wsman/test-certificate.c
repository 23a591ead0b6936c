/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates: hashes as OpenSSL computes them, and pins. */

#include <stdio.h>

#include "certificate.h"
#include "err.h"
#include "os.h"
#include "test.h"
#include "text.h"

/* openssl x509 -fingerprint -sha256; ... -pubkey | pkey -outform der | dgst -sha256; the
 * hash of the DER form that RFC 5929 4.1 asks for. */
static const struct {
    const char *file, *fingerprint, *key, *binding;
} known[] = {
    { "ec-p256.pem",
      "48:47:62:A1:31:71:E7:DB:BF:E0:08:39:D2:A0:56:DA:23:F5:12:EF:41:61:06:24:AA:5A:FC:CB:33:8A:BE:DD",
      "sha256//lX7ShDCqxBnywwdmfUzhLkEwru/LT1y0M1TAVfoGv/0=",
      "484762a13171e7dbbfe00839d2a056da23f512ef41610624aa5afccb338abedd" },
    { "ecdsa-sha384.pem",
      "41:A1:C8:A1:82:E1:DF:FB:05:6B:0C:DB:00:8A:76:18:A6:76:F7:56:6A:D1:5E:CC:11:7A:8D:69:DB:78:26:40",
      "sha256//azUJXs29Wpfm/2+huat3khACq7m+Vxi/+woLHWWN/d0=",
      "a29368206dcc0d04677e94c3a8c69cb7f5da8226157a0ebfb9b5c32d823dbd774af4f2165ba90fc681a1e2526a2a0a51" },
    { "pss-sha512.pem",
      "BA:AD:AF:34:6A:D2:2F:DB:CB:69:CF:72:65:79:5C:B9:77:46:E3:8F:92:81:20:0A:A6:F9:BF:25:2D:D5:D9:C5",
      "sha256//IRPe5CwcICPV1lkqER2Sgcm4gd2Ok7x3INpOzfUnvqc=",
      "2e190b93531deef8e50998aca653d8d9e51f03b0ae8212df944c9bab2fef368a8de4ead08c122ebd449057ac0e9ac3395bf2f32fabaf49c7c3d184945e9e6ee9" },
    { "rsa-sha1.pem",
      "DD:A3:E2:7F:42:52:AE:E6:FF:6F:63:E9:16:8B:7B:D3:EA:B4:F8:23:D1:7D:57:CB:A7:6E:8F:B2:A2:2A:2D:73",
      "sha256//grQOVaMn3PMoIsLCLMr4COnrSQ1/vIfrYMUiLkn1m34=",
      "dda3e27f4252aee6ff6f63e9168b7bd3eab4f823d17d57cba76e8fb2a22a2d73" },
    { "ed25519.pem",
      "C2:35:48:20:8D:21:54:37:0D:D1:A3:43:9F:82:E1:68:FA:BA:B8:C8:B1:53:A2:DB:33:5A:C4:7A:10:D7:87:35",
      "sha256//wJsliWiO6+BFvSEDVF+7ocbADSaoUysID226uWq55xI=", "" },
};

static bool read_known(size_t i, struct certificate *ret)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup)
    char *path = text_printf("%s/%s", CERTIFICATES, known[i].file);
    CLEANUP(free_cleanup) char *pem = os_read_file(path, 1 << 20, NULL, &err);

    test_case(known[i].file);
    CHECK(pem != NULL);
    return pem && certificate_read(pem, ret, &err);
}

TEST(hashes_are_those_of_openssl)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct err err = ERR_INIT;
        struct certificate_pin pin;
        struct certificate c;
        char binding[2 * CERTIFICATE_BINDING_MOST + 1] = "";

        CHECK(read_known(i, &c));
        CHECK_OK(certificate_pin_parse(known[i].fingerprint, &pin, &err));
        CHECK(certificate_pin_matches(&pin, &c));
        CHECK_OK(certificate_pin_parse(known[i].key, &pin, &err));
        CHECK(certificate_pin_matches(&pin, &c));
        for (size_t k = 0; k < c.binding_len; k++)
            snprintf(binding + 2 * k, 3, "%02x", c.binding[k]);
        CHECK_STR_EQ(binding, known[i].binding);
    }
}

TEST(a_pin_matches_its_own_certificate_only)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct certificate mine, other;
        struct certificate_pin pin;
        char text[CERTIFICATE_PIN_TEXT];
        struct err err = ERR_INIT;

        CHECK(read_known(i, &mine) && read_known((i + 1) % ARRAY_LEN(known), &other));
        certificate_pin_format(&mine, text);
        CHECK_OK(certificate_pin_parse(text, &pin, &err));
        CHECK(certificate_pin_matches(&pin, &mine));
        CHECK(!certificate_pin_matches(&pin, &other));
    }
}

TEST(what_is_no_pin_is_refused)
{
    static const char *const wrong[] = {
        "",
        "sha256:",
        "sha256:1234",
        "sha256//AAAA",
        "sha256//azUJXs29Wpfm/2+huat3khACq7m+Vxi/+woLHWWN/d0=extra",
        "sha1:0000000000000000000000000000000000000000",
        "g000000000000000000000000000000000000000000000000000000000000000",
        "00000000000000000000000000000000000000000000000000000000000000000",
    };

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct err err = ERR_INIT;
        struct certificate_pin pin;

        test_case(wrong[i]);
        CHECK(!certificate_pin_parse(wrong[i], &pin, &err));
        CHECK_EQ(err.kind, ERR_INVALID);
        CHECK(strstr(err.hint, "sha256:"));
    }
}

TEST(a_cut_certificate_is_refused_wherever_it_is_cut)
{
    struct err err = ERR_INIT;
    char *pem = os_read_file(CERTIFICATES "/pss-sha512.pem", 1 << 20, NULL, &err);
    const char *begin = pem ? strchr(pem, '\n') : NULL;

    CHECK(begin != NULL);
    for (size_t len = 0; begin && len < 1100; len += 4) {
        CLEANUP(free_cleanup)
        char *cut =
            text_printf("-----BEGIN CERTIFICATE-----%.*s\n-----END", (int)len, begin);
        struct certificate c;

        err = ERR_INIT;
        CHECK(!certificate_read(cut, &c, &err));
        CHECK_EQ(err.kind, ERR_PROTOCOL);
    }
    free(pem);
}
