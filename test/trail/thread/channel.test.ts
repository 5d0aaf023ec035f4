import { MessageChannel } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { Channel, type ChannelSide } from '../../../src/trail/thread/channel.ts';
import { until } from '../../support/until.ts';

interface Said {
  word: string;
}

interface Asked {
  double: { readonly input: number; readonly answer: number };
}

type End = Channel<Said, Asked, Said, Asked>;

function connect(answers: ChannelSide<Said, Asked>['answers']): {
  readonly end: End;
  readonly heard: string[];
} {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const heard: string[] = [];
  const quiet = { listeners: { word: () => {} }, answers: { double: async () => 0 } };
  new Channel<Said, Asked, Said, Asked>(port2, { listeners: { word: (word) => heard.push(word) }, answers });
  return { end: new Channel<Said, Asked, Said, Asked>(port1, quiet), heard };
}

test('what is said arrives in order, and each question has its own answer', async () => {
  const { end, heard } = connect({ double: async (input) => 2 * input });
  end.tell('word', 'a');
  end.tell('word', 'b');
  expect(await Promise.all([1, 2, 3].map((n) => end.ask('double', n, 45_000)))).toEqual([2, 4, 6]);
  expect(heard).toEqual(['a', 'b']);
});

test('a failed answer, a missing one and the end of the other side reject with the reason', async () => {
  const failing = connect({ double: () => Promise.reject(new Error('no')) });
  await expect(failing.end.ask('double', 1, 45_000)).rejects.toThrow('no');
  const silent = connect({ double: () => new Promise(() => {}) });
  await expect(silent.end.ask('double', 1, 1)).rejects.toThrow('has not answered for 1 ms');
  const waiting = silent.end.ask('double', 1, 45_000);
  silent.end.close('it has ended');
  await expect(waiting).rejects.toThrow('it has ended');
  await expect(silent.end.ask('double', 1, 45_000)).rejects.toThrow('it has ended');
});

test('after the end nothing is said', async () => {
  const { end, heard } = connect({ double: async () => 0 });
  end.tell('word', 'a');
  end.close('it has ended');
  end.tell('word', 'b');
  await until(() => heard.length > 0, 'the first word');
  expect(heard).toEqual(['a']);
});
