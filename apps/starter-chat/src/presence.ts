import { useConvex, useMutation, useQuery } from "convex/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { Profile } from "../convex/model/views.ts";

const heartbeatMs = 10_000;
const typingRepeatMs = 3_000;

/** This window, among all that have a chat open. */
const sessionId = typeof crypto === "undefined" ? "" : crypto.randomUUID();

export interface Presence {
  readonly online: ReadonlySet<Id<"users">>;
  readonly typing: readonly Profile[];
}

/** Tells the others that one has this chat open, as long as one has. */
export function useHeartbeat(chatId: Id<"chats">, isMember: boolean): void {
  const client = useConvex();
  useEffect(() => {
    if (!isMember) return;
    const { heartbeat, leave } = api.functions.mutations.presence;
    let sessionToken: string | null = null;
    let isGone = false;
    const beat = async () => {
      // Without a connection a heartbeat would wait in the queue with the messages, and be of no use when it arrives.
      if (!client.connectionState().isWebSocketConnected || document.visibilityState === "hidden") return;
      const answer = await client.mutation(heartbeat, { chatId, sessionId, interval: heartbeatMs });
      if (isGone) await client.mutation(leave, answer);
      else sessionToken = answer.sessionToken;
    };
    const tryBeat = () => void beat().catch(() => {});
    const end = () => {
      if (sessionToken !== null) void client.mutation(leave, { sessionToken }).catch(() => {});
      sessionToken = null;
    };
    tryBeat();
    const timer = setInterval(tryBeat, heartbeatMs);
    document.addEventListener("visibilitychange", tryBeat);
    window.addEventListener("pagehide", end);
    return () => {
      isGone = true;
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tryBeat);
      window.removeEventListener("pagehide", end);
      end();
    };
  }, [client, chatId, isMember]);
}

/** Who else has the chat open, and who of them is writing, live. */
export function usePresence(chatId: Id<"chats">, own: Id<"users">): Presence {
  const entries = useQuery(api.functions.queries.presence.getPresence, { chatId });
  const [nowMs, setNowMs] = useState(() => Date.now());
  const others = (entries ?? []).filter(({ user }) => user._id !== own);
  const nextEndMs = Math.min(...others.map(({ typingUntil }) => typingUntil).filter((end) => end > nowMs));
  useEffect(() => {
    setNowMs(Date.now());
  }, [entries]);
  useEffect(() => {
    if (!Number.isFinite(nextEndMs)) return;
    const timer = setTimeout(() => setNowMs(Date.now()), Math.max(0, nextEndMs - Date.now()) + 20);
    return () => clearTimeout(timer);
  }, [nextEndMs]);
  return {
    online: new Set(others.filter(({ isOnline }) => isOnline).map(({ user }) => user._id)),
    typing: others
      .filter(({ isOnline, typingUntil }) => isOnline && typingUntil > nowMs)
      .map(({ user }) => user),
  };
}

/** Says that one is typing, not with every key; and that one has stopped. */
export function useTypingSignal(chatId: Id<"chats">): (isTyping: boolean) => void {
  const client = useConvex();
  const setTyping = useMutation(api.functions.mutations.presence.setTyping);
  const saidAtMs = useRef(0);
  return useCallback(
    (isTyping: boolean) => {
      const nowMs = Date.now();
      if (isTyping ? nowMs - saidAtMs.current < typingRepeatMs : saidAtMs.current === 0) return;
      if (!client.connectionState().isWebSocketConnected) return;
      saidAtMs.current = isTyping ? nowMs : 0;
      setTyping({ chatId, isTyping }).catch(() => {});
    },
    [client, chatId, setTyping],
  );
}
