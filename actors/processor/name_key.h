/* Names, as they are compared: accents folded to ASCII, lower case, no punctuation, no Jr/Sr/II..V at the end. */
#ifndef ACTORS_PROCESSOR_NAME_KEY_H
#define ACTORS_PROCESSOR_NAME_KEY_H

#include <stdbool.h>

#define NAME_KEY_SIZE 65

/* "Luka Dončić" -> "luka doncic". "" if nothing is left. What does not fit is cut. */
void name_key(const char *name, char key[NAME_KEY_SIZE]);
/* The other name of one of the few players whom sources call by two first names; NULL for everyone else. */
const char *name_key_alias(const char *key);
/* A key from its second word on: "luka doncic" -> "doncic". The whole key if it has one word. */
const char *name_key_family(const char *key);
/* The same family name, and one first name begins with the other, at least three letters of it: herb and herbert jones. */
bool name_key_alike(const char *a, const char *b);

#endif
