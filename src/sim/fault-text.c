/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client asks for English (w:Locale), but a host without that language pack answers in its
 * own (DSP0226 6.3: the header is a wish).  So nobody may recognise a fault by its words.
 *
 * Only texts that public pages quote from real hosts are here; the others stay English.
 */
#include "fault-text.h"

#include <stddef.h>
#include <string.h>

#include "soap.h"
#include "text.h"

static const struct {
    const char *language;
    uint32_t code;
    const char *text;
} texts[] = {
    /* MicrosoftDocs/azure-docs.ja-jp and .de-de, articles/migrate/troubleshoot-discovery.md:
     * a user without rights to WMI. */
    { "ja", CODE_ACCESS_DENIED,
      "WS-Management サービスは要求を処理できません。WMI "
      "サービスはアクセス拒否エラーを返しました。" },
    { "de", CODE_ACCESS_DENIED,
      "Der WS-Management-Dienst kann die Anforderung nicht verarbeiten. Der WMI-Dienst hat "
      "einen Fehler \"Zugriff verweigert\" zurückgegeben." },
    /* r4sd/go-wsman hyperv/testdata/fault_destination_unreachable.xml. */
    { "ja", CODE_RESOURCE_NOT_FOUND,
      "WS-Management サービスは要求を処理できません。サービスはリソース URI およびセレクターに"
      "よって識別されたリソースを見つけられません。" },
    /* MicrosoftDocs/OfficeDocs-SkypeForBusiness.ja-jp and .de-de, Teams: PowerShell. */
    { "ja", CODE_TOO_MANY_SHELLS,
      "WS-Management サービスは要求を処理できません。このユーザーの同時シェルの最大数を"
      "超えました。既存のシェルを閉じるか、このユーザーのクォータを上げてください。" },
    { "de", CODE_TOO_MANY_SHELLS,
      "Der WS-Management-Dienst kann die Anforderung nicht verarbeiten. Die maximale Anzahl "
      "gleichzeitiger Shells für diesen Benutzer wurde überschritten. Schließen Sie "
      "vorhandene Shells, oder erhöhen Sie das Kontingent für diesen Benutzer." },
};

const char *fault_text_in(const char *locale, uint32_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].code == code && text_istarts(locale, texts[i].language))
            return texts[i].text;
    return NULL;
}
