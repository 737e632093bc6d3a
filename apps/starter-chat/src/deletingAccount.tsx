import { Brand } from "./brand.tsx";

/** While an account is being deleted; the server goes on with it whatever happens to this window. */
export function DeletingAccount() {
  return (
    <main className="splash" aria-busy="true">
      <Brand />
      <h1>Deleting your account</h1>
      <p role="status">This goes on by itself; you can close this window.</p>
    </main>
  );
}
