import { useSignal } from '@preact/signals';
import type { TargetedSubmitEvent, VNode } from 'preact';
import { exchange, needsLogin } from './data/api.ts';
import { keepPageKey } from './data/page-key.ts';
import { asApiError } from './data/resource.ts';
import { href } from './data/route.ts';

/** Asks for the token. The server keeps it in a cookie that no script can read. */
export function Login(): VNode {
  const problem = useSignal<string | undefined>(undefined);
  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const token = new FormData(event.currentTarget).get('token');
    try {
      const headers = { 'content-type': 'application/json' };
      const init = { method: 'POST', headers, body: JSON.stringify({ token }) };
      const { value } = await exchange<{ readonly page_key: string }>(href('/login'), init);
      keepPageKey(value.page_key);
      location.reload();
    } catch (error) {
      needsLogin.value = true;
      problem.value = asApiError(error).message;
    }
  };
  return (
    <form class="login" onSubmit={submit}>
      <h1>This server asks for its token</h1>
      <p>
        It is the value of <code>TASK_LOGS_API_TOKEN</code>.
      </p>
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required />
      {problem.value !== undefined && (
        <p class="failure" role="alert">
          {problem.value}
        </p>
      )}
      <button type="submit" class="primary">
        Open
      </button>
    </form>
  );
}
