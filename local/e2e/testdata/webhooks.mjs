// Verifies calls of webhooks with the reference library of Standard Webhooks: those of stdin.
import { Webhook } from "standardwebhooks";
import { readFileSync } from "node:fs";

const { secret, calls } = JSON.parse(readFileSync(0, "utf8"));
const webhook = new Webhook(secret);
for (const { body, headers } of calls) {
  const { type } = webhook.verify(body, headers);
  if (!type.startsWith("message.")) throw new Error(`${type} is no event`);
  let refused = false;
  try {
    webhook.verify(`${body} `, headers);
  } catch {
    refused = true;
  }
  if (!refused) throw new Error("another body is accepted");
}
console.log(`${calls.length} verified`);
