/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts the certificate of a .pfx file, with its key, into the user's store, as certmgr does, and
 * prints its thumbprint; Wine has no certutil.
 */

#include <windows.h>
#include <wincrypt.h>

#include <stdio.h>

enum { SHA1_BYTES = 20 };

static int fail(const char *what)
{
    fprintf(stderr, "%s: error %lu\n", what, GetLastError());
    return 1;
}

static int import(HCERTSTORE mine, const wchar_t *name)
{
    static BYTE bytes[1 << 16];
    BYTE thumbprint[SHA1_BYTES];
    DWORD size = sizeof(thumbprint);
    CRYPT_DATA_BLOB pfx = { 0, bytes };
    const CERT_CONTEXT *found;
    HCERTSTORE imported;
    FILE *file = _wfopen(name, L"rb");

    if (!file)
        return fail("no such file");
    pfx.cbData = (DWORD)fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    imported = PFXImportCertStore(&pfx, L"", CRYPT_USER_KEYSET);
    if (!imported)
        return fail("not a .pfx file without a password");
    found = CertFindCertificateInStore(imported, X509_ASN_ENCODING, 0,
                                       CERT_FIND_HAS_PRIVATE_KEY, NULL, NULL);
    if (!found)
        found = CertEnumCertificatesInStore(imported, NULL);
    if (!found ||
        !CertAddCertificateContextToStore(mine, found, CERT_STORE_ADD_REPLACE_EXISTING,
                                          NULL) ||
        !CertGetCertificateContextProperty(found, CERT_HASH_PROP_ID, thumbprint, &size))
        return fail("not put into the store");
    for (DWORD i = 0; i < size; i++)
        printf("%02X", thumbprint[i]);
    printf("\n");
    return 0;
}

int wmain(int argc, wchar_t **argv);

int wmain(int argc, wchar_t **argv)
{
    HCERTSTORE mine = CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0,
                                    CERT_SYSTEM_STORE_CURRENT_USER, L"MY");
    int status;

    if (!mine || argc != 2)
        return fail("usage: import-pfx.exe FILE");
    status = import(mine, argv[1]);
    CertCloseStore(mine, 0); /* Wine writes it now */
    return status;
}
