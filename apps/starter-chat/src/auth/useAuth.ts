import { useMemo } from "react";
import type { Person } from "./authStore.ts";
import { useAuthState, useAuthStore } from "./authProvider.tsx";

/** Who is signed in, and the way out. */
export function useAuth(): {
  readonly isSignedIn: boolean;
  readonly person: Person | null;
  readonly signOut: () => Promise<void>;
  readonly resendVerification: () => Promise<void>;
} {
  const store = useAuthStore();
  const { person } = useAuthState();
  return useMemo(
    () => ({
      isSignedIn: person !== null,
      person,
      signOut: () => store.signOut(),
      resendVerification: () => store.resendVerification(),
    }),
    [store, person],
  );
}
