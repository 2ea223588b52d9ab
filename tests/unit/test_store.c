#include <criterion/criterion.h>
Test(store, x) {}
