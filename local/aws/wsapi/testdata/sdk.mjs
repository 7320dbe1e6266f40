// node sdk.mjs ENDPOINT CONNECTION: posts, gets, deletes and posts again, and fails unless each does what the service model says.
import assert from 'node:assert/strict';
import * as api from '@aws-sdk/client-apigatewaymanagementapi';

const [endpoint, ConnectionId] = process.argv.slice(2);
const client = new api.ApiGatewayManagementApiClient({
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
  maxAttempts: 1,
});

const posted = await client.send(new api.PostToConnectionCommand({ ConnectionId, Data: 'from node' }));
assert.equal(posted.$metadata.httpStatusCode, 200);
assert.match(posted.$metadata.requestId, /^.{15}=$/);

const found = await client.send(new api.GetConnectionCommand({ ConnectionId }));
assert.ok(found.ConnectedAt instanceof Date);
assert.equal(found.Identity.SourceIp, '127.0.0.1');

await assert.rejects(
  client.send(new api.PostToConnectionCommand({ ConnectionId, Data: 'x'.repeat(128 * 1024 + 1) })),
  api.PayloadTooLargeException,
);
const deleted = await client.send(new api.DeleteConnectionCommand({ ConnectionId }));
assert.equal(deleted.$metadata.httpStatusCode, 204);
await assert.rejects(client.send(new api.PostToConnectionCommand({ ConnectionId, Data: 'x' })), api.GoneException);
