/* pass_fields.h - the fields of the control side's records. Numbers are for good. */
#pragma once

enum pass_trust_field {
	TRUST_CONTENT = 1, /* digest of all that it was made of */
};

enum pass_batch_field {
	BATCH_NUMBER = 1,
	BATCH_PLAN = 2, /* the number of its plan */
	BATCH_FORMAT = 3,
	BATCH_CONTINUES = 4,
	BATCH_PACK = 5,
	BATCH_BLOCK_BYTES = 6,
};

enum pass_step_field {
	STEP_CODE = 1,
	STEP_EXPECT = 2,
	STEP_TASK = 3,
	STEP_LAST_OPTION = 4,
	STEP_NUMBER = 5,
	STEP_ON_ERROR = 6,
	STEP_CORRECTION = 7,
	STEP_OPTIONS = 8,
	STEP_PAYLOAD = 9,
};

enum pass_plan_field {
	PLAN_NUMBER = 1,
	PLAN_LOGS = 2,
};

enum pass_plan_task_field {
	PLAN_TASK_REPORT = 1, /* its number in reports */
	PLAN_TASK_STATE = 2,
	PLAN_TASK_STATUS = 3,
	PLAN_TASK_FINAL = 4,
	PLAN_TASK_REASON = 5,
	PLAN_TASK_FIRST_STEP = 6,
	PLAN_TASK_STEPS = 7,
	PLAN_TASK_SUMMARY = 8,
};

enum pass_live_field {
	LIVE_DEVICE = 1,
	LIVE_WORKER = 2,
	LIVE_SLOT = 3,
	LIVE_SERIAL = 4,
	LIVE_FORMAT = 5,
	LIVE_ADDRESS = 6,
	LIVE_PORT = 7,
	LIVE_LISTENER = 8,
	LIVE_STARTED_US = 9, /* of the workers' clock */
	LIVE_STARTED_MS = 10,
	LIVE_SOON = 11,
	LIVE_PLAN = 12,
	LIVE_BEGAN = 13,
	LIVE_SEEDED = 14,
	LIVE_SEED = 15,
	LIVE_NOW_MS = 16,
	LIVE_DRAWN = 17,
	LIVE_LOG = 18,
	LIVE_AGAIN = 19,
	LIVE_AFTER_S = 30,
	LIVE_CLAIMED = 31,
	LIVE_DIAGNOSTIC = 20, /* and the four behind it, for each */
	LIVE_DIAGNOSTIC_CODE = 0,
	LIVE_DIAGNOSTIC_STEP = 1,
	LIVE_DIAGNOSTIC_TEXT = 2,
	LIVE_DIAGNOSTIC_FIELDS = 5,
};

enum pass_answer_field {
	ANSWER_CODE = 1,
	ANSWER_FORMAT = 2,
	ANSWER_BYTES = 3,
};

enum pass_credentials_field {
	CREDENTIALS_STAGE = 1,
	CREDENTIALS_TOO_MANY = 2,
	CREDENTIALS_IN_STORE = 3,
	CREDENTIALS_DEADLINE = 4, /* wall clock */
	CREDENTIALS_FINISHING = 5,
	/* Of a run that waits for them: what it asked for. */
	CREDENTIALS_ASK = 6,
	CREDENTIALS_CODE = 7,
	CREDENTIALS_STEP = 8,
	CREDENTIALS_FORMAT = 9,
	CREDENTIALS_REFUSED_STEPS = 10,
	CREDENTIALS_REFUSED_STEP = 11,
	CREDENTIALS_REFUSED_CODE = 12,
	CREDENTIALS_NAME = 13,
};

enum pass_credential_field {
	CREDENTIAL_SSID = 1,
	CREDENTIAL_INSTANCE = 2,
	CREDENTIAL_STEP = 3,
	CREDENTIAL_FACTS = 4, /* facts.h */
};

enum pass_message_field {
	MESSAGE_ID = 1,
	MESSAGE_CREDENTIAL = 2, /* which of the run's */
	MESSAGE_WAITED = 3,
	MESSAGE_FAILS = 4,
};

enum pass_effect_field {
	EFFECT_KIND = 1,
	EFFECT_TASK = 2,
	EFFECT_SECRET = 3,
	EFFECT_NAME = 4,
	EFFECT_TEXT = 5,
};

enum pass_journal_field {
	JOURNAL_ENTRY_KIND = 1,
	JOURNAL_ENTRY_STATUS = 2,
	JOURNAL_ENTRY_FORMAT = 3,
	JOURNAL_ENTRY_DEVICE = 4,
	JOURNAL_ENTRY_TASK = 5,
	JOURNAL_ENTRY_STARTED = 6,
	JOURNAL_ENTRY_FINISHED = 7,
	JOURNAL_ENTRY_COUNT = 8,
	JOURNAL_ENTRY_NAME = 9,
	JOURNAL_ENTRY_MORE = 10,
	JOURNAL_ENTRY_JOINS = 11, /* is in one transaction with the one before it */
};

enum pass_device_field {
	DEVICE_NUMBER = 1,
	DEVICE_ENDPOINT = 2,
	DEVICE_IDENTITY = 3,
	DEVICE_KEY = 4,
	DEVICE_KEY_IS_HEX = 5,
	DEVICE_SERVED_NOSEC = 6,
	DEVICE_DOMAIN = 7,
	DEVICE_GROUPS = 8,
	DEVICE_VALUES = 9,
	DEVICE_CREATED = 10,
};

enum pass_member_field {
	MEMBER_SEQ = 1,
};

enum pass_member_report_field {
	MEMBER_REPORT_TRIED = 1, /* it was sent, and may be there */
	MEMBER_REPORT_ENDPOINT = 2,
	MEMBER_REPORT_GROUP = 3,
	MEMBER_REPORT_TASK = 4,
	MEMBER_REPORT_SUMMARY = 5,
	MEMBER_REPORT_STATUS = 6,
	MEMBER_REPORT_STARTED = 7,
	MEMBER_REPORT_FINISHED = 8,
	MEMBER_REPORT_AT = 9,
};

enum pass_member_edit_field {
	MEMBER_EDIT_TRANSACTION = 1,
	MEMBER_EDIT_REVISION = 2,
};

enum pass_member_heard_field {
	MEMBER_HEARD_MEMBER = 1,
	MEMBER_HEARD_SEQ = 2,
};

enum pass_member_unsent_field {
	MEMBER_UNSENT_DEVICE = 1,
};
