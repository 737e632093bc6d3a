import {
  ConvexProviderWithAuth,
  type ConvexReactClient,
  useConvexAuth,
  useMutation,
  useQuery,
} from "convex/react";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { useSyncExternalStore } from "react";
import { api } from "../../convex/_generated/api.js";
import { type AuthState, AuthStore } from "./authStore.ts";

const StoreContext = createContext<AuthStore | null>(null);
const activityMs = 120_000;

export function useAuthStore(): AuthStore {
  const store = useContext(StoreContext);
  if (store === null) throw new Error("AuthProvider must stand above this");
  return store;
}

export function useAuthState(): AuthState {
  const store = useAuthStore();
  return useSyncExternalStore(store.subscribe, store.state);
}

/**
 * The client with the sign-in of this browser.
 *
 * @param siteUrl where the deployment's HTTP actions are; see `deploymentSiteUrl`
 */
export function AuthProvider({
  client,
  siteUrl,
  children,
}: {
  client: ConvexReactClient;
  siteUrl: string;
  children: ReactNode;
}) {
  const [store] = useState(() => new AuthStore(siteUrl));
  useEffect(() => {
    void store.refresh();
  }, [store]);
  return (
    <StoreContext value={store}>
      <ConvexProviderWithAuth client={client} useAuth={useTokens}>
        <SessionWatch />
        {children}
      </ConvexProviderWithAuth>
    </StoreContext>
  );
}

/** The hook that ConvexProviderWithAuth asks for tokens; a new session is a new function. */
function useTokens() {
  const store = useAuthStore();
  const { sessionId } = useAuthState();
  const fetchAccessToken = useCallback(
    ({ forceRefreshToken }: { forceRefreshToken: boolean }) =>
      sessionId === null ? Promise.resolve(null) : store.token(forceRefreshToken),
    [store, sessionId],
  );
  return useMemo(
    () => ({ isLoading: false, isAuthenticated: sessionId !== null, fetchAccessToken }),
    [sessionId, fetchAccessToken],
  );
}

/** Signs out here when the session is ended elsewhere, and tells the server now and then that somebody is at work. */
function SessionWatch() {
  const store = useAuthStore();
  const { isAuthenticated } = useConvexAuth();
  const isOpen = useQuery(api.functions.queries.sessions.isSessionOpen, isAuthenticated ? {} : "skip");
  const recordActivity = useMutation(api.functions.mutations.users.recordActivity);
  useEffect(() => {
    if (isAuthenticated && isOpen === false) void store.signOut("This session was ended on another device.");
  }, [store, isAuthenticated, isOpen]);
  useEffect(() => {
    if (!isAuthenticated) return;
    const tell = () => {
      // An unimportant call must not wait in the queue of a window that is offline.
      if (document.visibilityState === "visible" && navigator.onLine) recordActivity({}).catch(() => {});
    };
    const timer = setInterval(tell, activityMs);
    document.addEventListener("visibilitychange", tell);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tell);
    };
  }, [isAuthenticated, recordActivity]);
  return null;
}
