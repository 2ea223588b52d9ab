/* What a template computes is shown, what may be a key itself is not. */
#include <criterion/criterion.h>

#include "control/policy/mask_template.h"

Test(mask_template, shows_no_literal)
{
	static const struct {
		const char *template, *shown;
	} cases[] = {
		{ "", "" },
		{ "key", "********" },
		{ "${sv.psk}", "${sv.psk}" },
		{ "key${sv.psk}key", "********${sv.psk}********" },
		{ "${sv.a}${sv.b}", "${sv.a}${sv.b}" },
		{ "${sv.id.hmacSHA256('key')}", "${sv.id.hmacSHA256('********')}" },
		{ "${sv.id.hmacSHA256(\"k'e}y\")}", "${sv.id.hmacSHA256(\"********\")}" },
		{ "${'k\\'ey'.concat('}')}", "${'********'.concat('********')}" },
		{ "${'never closed", "${'********'" },
		{ "${'ends in \\", "${'********'" },
		{ "${never.closed", "${never.closed" },
		{ "$ no template", "********" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text text;

		text_init(&text);
		mask_template(&text, cases[i].template);
		cr_expect_str_eq(text_str(&text), cases[i].shown);
		text_fini(&text);
	}
}
