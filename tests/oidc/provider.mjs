// A provider of another make (the npm package oidc-provider, certified for OpenID Connect) for the story of a citizen who logs in
// there. Its own pages ask for a name and a yes. As the standard has it, name and number are told by its userinfo endpoint and stand
// in no ID token.
//
//   node provider.mjs FOLDER_WITH_NODE_MODULES CLIENT SECRET REDIRECT_URI NAME NUMBER
//
// prints `ready PORT` when it serves.
import { createServer } from 'node:http';

const [folder, client, secret, redirect, name, number] = process.argv.slice(2);
const { default: Provider } = await import(`${folder}/node_modules/oidc-provider/lib/index.js`);

const server = createServer((request, response) => provider.callback()(request, response));
let provider;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  provider = new Provider(`http://localhost:${port}`, {
    clients: [{ client_id: client, client_secret: secret, redirect_uris: [redirect] }],
    claims: { openid: ['sub'], profile: ['name', 'id_number'] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name, id_number: number }) }),
    cookies: { keys: ['only for a test'] },
  });
  console.log(`ready ${port}`);
});
