// A demo shop of its own: a fresh directory, a free port, and the way to kill it and bring it back.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Shop {
  constructor(binary, port) {
    this.binary = binary;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.origin = this.url;
    this.data = mkdtempSync(join(tmpdir(), 'madrigal-console-'));
  }

  static async start(binary) {
    const shop = new Shop(binary, await freePort());
    await shop.start();
    return shop;
  }

  /** Starts the process and waits until the demo is filled. */
  async start() {
    this.process = spawn(this.binary, ['--data', this.data, 'up', '--demo', '--listen', `127.0.0.1:${this.port}`], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    await new Promise((resolve, reject) => {
      this.process.stderr.on('data', (chunk) => {
        said += chunk;
        if (said.includes('Try, in another terminal')) resolve();
      });
      this.process.on('exit', (code, signal) => reject(new Error(`the shop ended (${code ?? signal}) before it was up:\n${said}`)));
      this.process.on('error', reject);
    });
    this.operator = said.match(/Operator\s+(\S+)/)[1];
  }

  /** `kill -9`. */
  async kill() {
    this.process.removeAllListeners('exit');
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }

  async end() {
    await this.kill();
    rmSync(this.data, { recursive: true, force: true });
  }

  /** Asks the API as the operator. */
  async api(method, path, body, headers = {}) {
    const answer = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.operator}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: text.startsWith('{') ? JSON.parse(text) : text };
  }
}
