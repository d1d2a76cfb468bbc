// What functions/status does, written the way a Node team plainly would: check the
// signature, read the report, one conditional update.

import { createHmac, timingSafeEqual } from "node:crypto";
import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { run } from "./runtime.mjs";

const { CALLS_TABLE, PUBLIC_BASE_URL, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN } = process.env;
const dynamodb = new DynamoDBClient({ endpoint: process.env.AWS_ENDPOINT_URL_DYNAMODB });

const ENDS = {
  canceled: 1,
  failed: 2,
  "no-answer": 3,
  busy: 4,
  completed: 5,
};

function signed(url, form, signature) {
  const pairs = [...form].map(([name, value]) => name + value);
  const text = url + [...new Set(pairs)].sort().join("");
  const expected = createHmac("sha1", TWILIO_AUTH_TOKEN).update(text).digest();
  const given = Buffer.from(signature ?? "", "base64");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** The fact that a callback tells: attribute, value, and which of two values stays. */
function report(form) {
  const at = new Date(form.get("Timestamp") ?? Date.now()).toISOString();
  const machine = /^(machine|fax)/.test(form.get("AnsweredBy") ?? "");
  const status = form.get("CallStatus");
  if (status === null) return machine ? ["machineAt", at, ">"] : undefined;
  if (status === "queued" || status === "initiated") return undefined;
  if (status === "ringing") return ["ringingAt", at, ">"];
  if (status === "in-progress" || status === "answered") return ["answeredAt", at, ">"];
  if (!(status in ENDS)) throw new RangeError("CallStatus is not a call status");
  const duration = (form.get("CallDuration") ?? "").padStart(6, "0");
  return ["legEnd", `${ENDS[status]}#${status}#${duration}#${at}`, "<"];
}

async function record(call, [attribute, value, stays]) {
  const [line, seq] = call.split(".");
  const ends = attribute === "legEnd";
  const update = ends ? ", endReceivedAt = if_not_exists(endReceivedAt, :now)" : "";
  try {
    await dynamodb.send(
      new UpdateItemCommand({
        TableName: CALLS_TABLE,
        Key: { line: { S: line }, seq: { N: seq } },
        UpdateExpression: `SET #fact = :value${update}`,
        ConditionExpression: `attribute_exists(line) AND (attribute_not_exists(#fact) OR #fact ${stays} :value)`,
        ExpressionAttributeNames: { "#fact": attribute },
        ExpressionAttributeValues: {
          ":value": { S: value },
          ...(ends && { ":now": { S: new Date().toISOString() } }),
        },
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      }),
    );
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return error.Item !== undefined;
    throw error;
  }
}

async function handle(event) {
  const base = PUBLIC_BASE_URL || `https://${event.requestContext.domainName}`;
  const query = event.rawQueryString ? `?${event.rawQueryString}` : "";
  const body = Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8");
  const form = new URLSearchParams(body.toString());
  const signature = event.headers["x-twilio-signature"];
  if (
    !signed(base + event.rawPath + query, form, signature) ||
    form.get("AccountSid") !== TWILIO_ACCOUNT_SID
  ) {
    return json(403, { status: "error", code: "forbidden", message: "not signed by Twilio" });
  }
  const call = new URLSearchParams(event.rawQueryString).get("call");
  const told = report(form);
  if (told && !(await record(call, told))) {
    return json(404, { status: "error", code: "not_found", message: "no such call" });
  }
  const twiml = '<?xml version="1.0" encoding="UTF-8"?><Response/>';
  return answer(200, "text/xml; charset=utf-8", twiml);
}

function json(statusCode, value) {
  return answer(statusCode, "application/json", JSON.stringify(value));
}

function answer(statusCode, type, body) {
  return { statusCode, headers: { "content-type": type, "cache-control": "no-store" }, body };
}

run(async (event, context) => {
  const started = performance.now();
  const response = await handle(event);
  console.log(
    JSON.stringify({
      timestamp: new Date().toISOString(),
      level: "INFO",
      message: "answered",
      function: "status",
      request_id: context.awsRequestId,
      status: response.statusCode,
      ms: performance.now() - started,
    }),
  );
  return response;
});
