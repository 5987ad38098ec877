/* What every unit test includes: cmocka with the headers that it wants first. */
#ifndef CONCLAVE_TESTS_UNIT_H
#define CONCLAVE_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#endif
