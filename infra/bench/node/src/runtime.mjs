// The Lambda Runtime API, as AWS's own Node runtime speaks it: ask for an event,
// hand it over, post the answer, ask again.

import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const base = "/2018-06-01/runtime/invocation";

function send(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    if (body !== undefined) headers["content-length"] = Buffer.byteLength(body);
    const request = http.request({ host, port, agent, method, path, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }),
      );
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Answers events until Lambda ends the process. */
export async function run(handler) {
  for (;;) {
    const { headers, body } = await send("GET", `${base}/next`);
    const id = headers["lambda-runtime-aws-request-id"];
    try {
      const answer = await handler(JSON.parse(body), { awsRequestId: id });
      await send("POST", `${base}/${id}/response`, JSON.stringify(answer));
    } catch (error) {
      const report = { errorType: error.name, errorMessage: error.message };
      await send("POST", `${base}/${id}/error`, JSON.stringify(report));
    }
  }
}
