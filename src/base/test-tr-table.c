/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translations linked into the program. */

#include "test.h"
#include "tr-table.h"

TEST(a_language_is_found_by_the_names_systems_give_it)
{
    static const char *const chinese[] = { "zh_CN",      "zh_CN.UTF-8", "zh-CN", "ZH-cn",
                                           "zh-Hans-CN", "zh-Hans",     "zh-SG", "zh" };
    static const char *const none[] = { "",
                                        "C",
                                        "C.UTF-8",
                                        "en_US.UTF-8",
                                        "de",
                                        "z",
                                        "zh_TW",
                                        "zh-Hant",
                                        "zhx",
                                        "zh_",
                                        "..@-",
                                        "zh_CNx",
                                        "a_very_long_name_of_no_language_at_all" };

    for (size_t i = 0; i < sizeof(chinese) / sizeof(chinese[0]); i++) {
        const struct tr_language *language = tr_language_find(chinese[i]);

        test_case(chinese[i]);
        CHECK_STR_EQ(language ? language->name : NULL, "zh_CN");
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        test_case(none[i]);
        CHECK(!tr_language_find(none[i]));
    }
}

TEST(every_text_of_a_table_is_found_by_its_source)
{
    for (const struct tr_language *language = tr_languages; language->name; language++) {
        test_case(language->name);
        CHECK(language->count > 500);
        for (size_t i = 0; i < language->count; i++) {
            const struct tr_entry *entry = &language->entries[i];

            CHECK(*entry->text);
            CHECK_STR_EQ(tr_language_text(language, entry->source), entry->text);
        }
    }
}

TEST(what_is_not_translated_stays_itself)
{
    const struct tr_language *language = tr_language_find("zh_CN");

    CHECK_STR_EQ(tr_language_text(language, "no such text"), "no such text");
    CHECK_STR_EQ(tr_language_text(language, ""), "");
    CHECK_STR_EQ(tr_language_text(language, "undone"), "已撤销");
}
