/* What a task changes in the inventory: reported to the control side, which applies it once the task has succeeded. */
#include <string.h>

#include "tasks/compile/compile_internal.h"

static enum compile_effect_kind
effect_kind(const struct task_node *node)
{
	switch (node->tag) {
	case TAG_JOIN:
		return EFFECT_JOIN;
	case TAG_LEAVE:
		return EFFECT_LEAVE;
	case TAG_REMOVE_PROPERTY:
		return EFFECT_REMOVE_PROPERTY;
	default:
		return node->store == STORE_HISTORY ? EFFECT_HISTORY : EFFECT_STORE_PROPERTY;
	}
}

/* What the rest of the run reads as sv.NAME. Always a new one: a task that fails takes its own back. */
static bool
hide_setting(struct run *run, const struct value *name, struct value value, bool secret)
{
	struct expr_var *setting = arena_alloc(&run->compiler->arena, sizeof *setting);

	if (!setting)
		return false;
	value.secret = secret;
	*setting = (struct expr_var){ name->text.at, name->text.len, value, run->eval.settings };
	run->eval.settings = setting;
	return true;
}

/*
 * A value that holds a secret is one, and so is the name of a group that does: it is needed as it is, and marked. An
 * entry of the history is for people alone.
 */
static enum flow
hide_secrets(struct run *run, const struct task_node *node, struct compile_effect *effect,
	     const struct value *name, struct value *text)
{
	bool in_name = false, in_text = false;
	struct value shown = *name, value = *text;

	if (run_mask(run, node, &shown, &in_name) ||
	    (value.kind == VALUE_STRING && run_mask(run, node, &value, &in_text)))
		return FLOW_FAILED;
	if (effect->kind == EFFECT_HISTORY)
		*text = value;
	else
		effect->secret |= in_name || in_text;
	return FLOW_NEXT;
}

enum flow
run_effect(struct run *run, const struct task_node *node)
{
	const struct compile_hooks *hooks = &run->compiler->hooks;
	struct compile_effect effect = { .kind = effect_kind(node), .task = run->index };
	struct value name, text = { VALUE_NULL };

	/* The name is the first attribute of them all. */
	if (run_name(run, node, STORE_TARGET, &name) ||
	    (node->tag == TAG_STORE && (run_text(run, node, STORE_VALUE, &text) ||
					run_boolean(run, node, STORE_SECRET, &effect.secret))))
		return FLOW_FAILED;
	if (hide_secrets(run, node, &effect, &name, &text))
		return FLOW_FAILED;
	if ((effect.kind == EFFECT_STORE_PROPERTY || effect.kind == EFFECT_REMOVE_PROPERTY) &&
	    !hide_setting(run, &name, text, effect.secret))
		return run_fail(run, node, -1, "out of memory");
	effect.name = name.text.at;
	effect.name_len = name.text.len;
	if (text.kind == VALUE_STRING) {
		effect.text = text.text.at;
		effect.text_len = text.text.len;
	}
	if (hooks->effect)
		hooks->effect(hooks->ctx, &effect);
	return FLOW_NEXT;
}
