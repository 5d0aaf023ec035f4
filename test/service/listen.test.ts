import { expect, onTestFinished, test } from 'vitest';
import { listen } from '../../src/service/listen.ts';

test('requests are answered at the url, with the port that the system selects', async () => {
  const service = await listen((_req, res) => res.end('hello'), { host: '127.0.0.1', port: 0 });
  onTestFinished(() => service.close(0));
  expect(service.url).toBe(`http://127.0.0.1:${service.port}`);
  expect(await (await fetch(service.url)).text()).toBe('hello');
});

test('a port in use is an error that names the setting and what to do', async () => {
  const { port, close } = await listen(() => {}, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => close(0));
  await expect(listen(() => {}, { host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'ERR_PORT_IN_USE',
    message: `PORT: 127.0.0.1:${port} is in use. Stop the program that listens there, or set another PORT (0 selects a free port)`,
    cause: { code: 'EADDRINUSE' },
  });
});

test('an address of another machine is an error of the settings', async () => {
  await expect(listen(() => {}, { host: '192.0.2.1', port: 0 })).rejects.toMatchObject({
    code: 'ERR_CONFIG_INVALID',
    message: 'HOST: 192.0.2.1 is not an address of this machine',
  });
});
