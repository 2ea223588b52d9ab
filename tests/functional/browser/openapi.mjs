// The document of the API, as a validator reads it: standard input.
import { Validator } from "@seriousme/openapi-schema-validator";
let text = "";
for await (const part of process.stdin) text += part;
const result = await new Validator().validate(JSON.parse(text));
if (!result.valid) console.error(JSON.stringify(result.errors, null, 1));
process.exit(result.valid ? 0 : 1);
