/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published notes, keys, heads and proofs: of the C2SP texts, of Go's x/mod, of the Go checksum
 * database and of Tessera's test log; and a witness made for BlockDB and checked with
 * transparency-dev/formats.
 */
#pragma once

#define DASH "\xe2\x80\x94 "

/* C2SP signed-note. */
#define FOO_VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define FOO_NOTE                                                                                   \
    "This is an example message.\n"                                                                \
    "\n" DASH "example.com/foo "                                                                   \
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=" \
    "\n"

/* Go's x/mod/sumdb/note. */
#define PETER_VKEY "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define PETER_SKEY "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
#define ENOCH_VKEY "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
#define CRYPTOGRAPHY_TEXT                                                                          \
    "If you think cryptography is the answer to your problem,\n"                                   \
    "then you don't know what your problem is.\n"
#define PETER_LINE                                                                                 \
    DASH "PeterNeumann "                                                                           \
         "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBw" \
         "JnAM=\n"
#define ENOCH_LINE                                                                                 \
    DASH "EnochRoot "                                                                              \
         "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvM" \
         "c+QQ=\n"
/* A key of 36 bytes, and one of type 0x65; both with the ID that fits. */
#define LONG_VKEY "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="
#define OTHER_VKEY "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

/* The Go checksum database, whose origin is not the name of its key. */
#define SUMDB_VKEY "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
#define SUMDB_TEXT                                                                                 \
    "go.sum database tree\n"                                                                       \
    "35225469\n"                                                                                   \
    "vt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=\n"
#define SUMDB_LINE                                                                                 \
    DASH "sum.golang.org "                                                                         \
         "Az3grpukl5AXaVfYkLiDGORx/DN2nlcS5kZHR5uYOBV2KA2HgXpD+gu9HHONebHLAyaKbbTM75QTtPydhKCExix" \
         "SfwQ=\n"

/* Tessera's test log. */
#define LOG_ORIGIN "example.com/log/testdata"
#define LOG_VKEY LOG_ORIGIN "+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
#define LOG_SKEY "PRIVATE+KEY+" LOG_ORIGIN "+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg"
#define LOG_ROOT_0 "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define LOG_ROOT_8 "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY="
#define LOG_ROOT_15 "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs="
#define LOG_TEXT_0 LOG_ORIGIN "\n0\n" LOG_ROOT_0 "\n"
#define LOG_TEXT_8 LOG_ORIGIN "\n8\n" LOG_ROOT_8 "\n"
#define LOG_TEXT_15 LOG_ORIGIN "\n15\n" LOG_ROOT_15 "\n"
#define LOG_LINE_0                                                                                 \
    DASH LOG_ORIGIN                                                                                \
        " M9e0lhxJACzE1KoUdqKuPa+9p6R7dSW8BlEvrg/noo8FkGg6PbJoRNOcdjqjOq89wVvTA60eubCc4oufo5BvIVE" \
        "gtQc=\n"
#define LOG_LINE_8                                                                                 \
    DASH LOG_ORIGIN                                                                                \
        " M9e0lq1EK37dHtgv9O3UzPxisw5vwIPcJsX9ab0xt4mvVfbdUR1fbMjN6sBFYpBoBEmD4+cWhj/AVgI5MitCO5+" \
        "mews=\n"
#define LOG_LINE_15                                                                                \
    DASH LOG_ORIGIN                                                                                \
        " M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF7" \
        "4ewI=\n"

/* A witness with the secret 01 02 ... 20 that cosigned the head above at that time. */
#define WITNESS_NAME "witness.example/w1"
#define WITNESS_VKEY WITNESS_NAME "+468d99bb+BHm1Vi6P5lT5QHixEuipi6eQH4U65pW+1+DjkQutBJZk"
#define WITNESS_VKEY_NOTE WITNESS_NAME "+47f53f4c+AXm1Vi6P5lT5QHixEuipi6eQH4U65pW+1+DjkQutBJZk"
#define WITNESS_TIME 1679315147
#define WITNESS_LINE                                                                               \
    DASH WITNESS_NAME " Ro2ZuwAAAABkGFDL48CTYXUfX0O774EsfFe2YVrcoIWKrrsTwz2T86plsTT23BwZChvh/"     \
                      "dydbWVMJ/EEZqpbukyD"                                                        \
                      "Kri7QKut6v2aDA==\n"

#define LOG_NOTE_15 LOG_TEXT_15 "\n" LOG_LINE_15
#define COSIGNED_NOTE_15 LOG_NOTE_15 WITNESS_LINE

/* Inclusion of leaf 6, "seven", in the tree of 15. */
#define PROOF_FILE                                                                                 \
    "c2sp.org/tlog-proof@v1\n"                                                                     \
    "index 6\n"                                                                                    \
    "ThcgoV2DYcK+VCxBUDWAlNxmLy2r7dq7dK7+OlgQKWs=\n"                                               \
    "ycRkkNklus5eMVRUvkD1pK321vMrA+jjOiZKU8aOcY4=\n"                                               \
    "zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co=\n"                                               \
    "5jLpqTgjsBDSEX6SgZiRnbTMdTuRd8bQ5tSsAOxe0Ks=\n"                                               \
    "\n" COSIGNED_NOTE_15
