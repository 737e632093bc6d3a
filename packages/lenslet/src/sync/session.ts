import { isDeepStrictEqual } from "node:util";
import { assert, unreachable } from "../base/assert.ts";
import { badRequest, internalErrorMessage, isDeveloperError, LensletError } from "../base/errors.ts";
import type { FunctionCall, FunctionResult, Identity, MutationResult } from "../engine/api.ts";
import type { AddQuery, CallMessage, ClientMessage, ConnectMessage } from "../protocol/sync.ts";
import type { AuthenticateMessage, ModifyQuerySetMessage } from "../protocol/sync.ts";
import { actionResponseText, mutationResponseText } from "../protocol/syncServer.ts";
import { encodeU64 } from "../protocol/sync.ts";
import { endingOf, endingOfRefusedToken, internalEnding, type Ending } from "./endings.ts";
import * as limits from "./limits.ts";
import type { View } from "./liveQueries.ts";
import { isSameResult, requestIdOf, toWireResult } from "./results.ts";
import type { Batch, Effect, OpenTicket, QueryChange, QuerySlot } from "./sessionState.ts";
import type { Session, SessionEvent, Transition } from "./sessionState.ts";

/**
 * The protocol of one socket without any I/O: `step` takes an event and says what to do, `flush` says at the end of a
 * tick which Transition to send. Both change only `session` and depend on nothing else.
 *
 * A query-set or identity change becomes a Batch that waits for the queries it opened. Batches are answered in order, so
 * a slow query delays the acknowledgement of later changes, but not the updates of queries that already run. Only a
 * pending identity change holds everything back: results for two identities never mix in a Transition.
 */
export function step(session: Session, event: SessionEvent): readonly Effect[] {
  if (event.type === "closed") return close(session);
  if (session.ended) return [];
  switch (event.type) {
    case "message":
      if (session.verifying) {
        session.held.push(event.message);
        return [];
      }
      return takeMessage(session, event.message, event.nowMs, event.monotonicMs);
    case "garbage":
      return end(session, endingOf(event.error, session.current.identity, false));
    case "authenticated": {
      session.verifying = false;
      const effects = changeIdentity(session, event.identity);
      while (session.held.length > 0 && !session.verifying && !session.ended) {
        const message = session.held.shift() as ClientMessage;
        effects.push(...takeMessage(session, message, event.nowMs, event.monotonicMs));
      }
      return effects;
    }
    case "authenticationFailed":
      return end(session, endingOfRefusedToken(event.error, session.current.identity));
    case "opened":
      return takeOpened(session, event.ticket, event.live);
    case "openFailed":
      return takeOpenFailure(session, event.ticket, event.error);
    case "mutationAnswered":
    case "mutationFailed":
      return takeMutationAnswer(session, event);
    case "actionAnswered":
    case "actionFailed":
      return takeActionAnswer(session, event);
    default:
      return unreachable(event);
  }
}

function takeMessage(session: Session, message: ClientMessage, nowMs: number, monotonicMs: number): Effect[] {
  switch (message.type) {
    case "Connect":
      return connect(session, message, nowMs, monotonicMs);
    case "ModifyQuerySet":
      return modifyQuerySet(session, message);
    case "Mutation":
      return mutate(session, message, nowMs, monotonicMs);
    case "Action":
      return act(session, message, nowMs);
    case "Authenticate":
      return authenticate(session, message);
    case "Event":
      return [];
    default:
      return unreachable(message);
  }
}

function connect(session: Session, message: ConnectMessage, nowMs: number, monotonicMs: number): Effect[] {
  session.sessionId = message.sessionId;
  session.clockSkewMs = message.clientTs === null ? null : Math.round(message.clientTs - nowMs);
  session.observedTs = message.maxObservedTimestamp ?? 0n;
  session.connectedMs = monotonicMs;
  return [];
}

// ---- query set

function modifyQuerySet(session: Session, message: ModifyQuerySetMessage): Effect[] {
  const { baseVersion, newVersion } = message;
  if (baseVersion !== session.receivedQuerySet) {
    const text = `Base version ${baseVersion} passed up doesn't match the current version ${session.receivedQuerySet}`;
    return end(session, endingOf(badRequest("BaseVersionMismatch", text), session.current.identity, false));
  }
  session.receivedQuerySet = newVersion;
  const effects: Effect[] = [];
  const added: QuerySlot[] = [];
  const removed: QuerySlot[] = [];
  const batch: Batch = { kind: "querySet", version: newVersion, pending: 0, added, removed };
  // Before anything can be refused: what a session has removed is closed with it only if a batch holds it.
  session.batches.push(batch);
  for (const modification of message.modifications) {
    const known = session.slots.get(modification.queryId);
    if (modification.type === "Add") {
      if (known) return [...effects, ...end(session, internalEnding)];
      if (session.slots.size >= limits.queriesPerConnectionMax) {
        const error = new LensletError(
          "RateLimited",
          "TooManyQueries",
          "Too many queries on a single websocket.",
        );
        return [...effects, ...end(session, endingOf(error, session.current.identity, false))];
      }
      const slot = newSlot(session, modification);
      session.slots.set(slot.queryId, slot);
      added.push(slot);
      effects.push(open(session, slot, batch));
    } else {
      if (!known) return [...effects, ...end(session, internalEnding)];
      // It stays live until its batch is answered: the versions before still contain it.
      session.slots.delete(known.queryId);
      removed.push(known);
    }
  }
  return effects;
}

function newSlot(session: Session, add: AddQuery): QuerySlot {
  return {
    session,
    queryId: add.queryId,
    udfPath: add.udfPath,
    componentPath: add.componentPath,
    argsJson: add.argsJson,
    journal: add.journal,
    live: null,
    ticket: null,
    sent: null,
    active: false,
    removed: false,
    changed: false,
    nextChanged: null,
  };
}

function open(session: Session, slot: QuerySlot, batch: Batch): Effect {
  if (slot.ticket) abandon(slot.ticket);
  const ticket: OpenTicket = { slot, batch, identity: session.identity, attempts: 0, abandoned: false };
  slot.ticket = ticket;
  batch.pending++;
  return openEffect(ticket);
}

function openEffect(ticket: OpenTicket): Effect {
  const { slot, identity } = ticket;
  const requestId = slot.session.config.newRequestId();
  const journal = slot.live ? slot.live.journal : slot.journal;
  return { type: "open", ticket, call: { ...callOf(slot.session, slot, identity, requestId), journal } };
}

/** The open effect of a ticket whose pause is over, or null if nobody waits for it any more. */
export function retryOpen(ticket: OpenTicket): Effect | null {
  return ticket.abandoned ? null : openEffect(ticket);
}

function abandon(ticket: OpenTicket): void {
  ticket.abandoned = true;
  release(ticket);
}

function release(ticket: OpenTicket): void {
  if (ticket.batch) ticket.batch.pending--;
  ticket.batch = null;
}

function drop(slot: QuerySlot): Effect[] {
  slot.removed = true;
  if (slot.ticket) abandon(slot.ticket);
  slot.ticket = null;
  return closeLive(slot);
}

function closeLive(slot: QuerySlot): Effect[] {
  const live = slot.live;
  slot.live = null;
  return live ? [{ type: "closeQuery", slot, live }] : [];
}

function takeOpened(session: Session, ticket: OpenTicket, live: NonNullable<QuerySlot["live"]>): Effect[] {
  assert(!ticket.abandoned, "the answer of an abandoned open is closed, not taken");
  const { slot } = ticket;
  const before = slot.live;
  slot.live = live;
  slot.ticket = null;
  live.watchers.add(slot);
  release(ticket);
  if (slot.active) markChanged(session, slot);
  return before ? [{ type: "closeQuery", slot, live: before }] : [];
}

function takeOpenFailure(session: Session, ticket: OpenTicket, error: unknown): Effect[] {
  if (ticket.abandoned) return [];
  const attempts = ++ticket.attempts;
  if (error instanceof LensletError && error.category === "FeatureTemporarilyUnavailable") {
    // The others need not wait for an index that is still being built: this query joins a later Transition.
    release(ticket);
    const delayMs = Math.min(limits.featureRetryMs * 2 ** (attempts - 1), limits.featureRetryMsMax);
    return [...closeLive(ticket.slot), { type: "openLater", ticket, delayMs }];
  }
  if (isDeveloperError(error) || attempts >= limits.openAttemptsMax) {
    return end(session, endingOf(error, session.current.identity, false));
  }
  const delayMs = Math.min(limits.openRetryMs * 2 ** (attempts - 1), limits.openRetryMsMax);
  return [{ type: "openLater", ticket, delayMs }];
}

/** A live query of the slot changed, or the slot got another one. */
export function markChanged(session: Session, slot: QuerySlot): void {
  if (slot.changed) return;
  slot.changed = true;
  slot.nextChanged = session.firstChanged;
  session.firstChanged = slot;
}

// ---- identity

function authenticate(session: Session, message: AuthenticateMessage): Effect[] {
  if (message.baseVersion !== session.receivedIdentity) return end(session, internalEnding);
  if (message.tokenType === "None") return changeIdentity(session, { kind: "anonymous" });
  session.verifying = true;
  return [{ type: "verify", message }];
}

/**
 * Every query runs again for the new identity, unless functions cannot tell it from the old one: a client confirms and
 * refreshes its token several times an hour, always for the same user.
 */
function changeIdentity(session: Session, identity: Identity): Effect[] {
  session.receivedIdentity++;
  const isSame = isSameIdentity(session.identity, identity);
  session.identity = identity;
  const batch: Batch = {
    kind: "identity",
    version: session.receivedIdentity,
    pending: 0,
    added: [],
    removed: [],
  };
  session.batches.push(batch);
  session.identityBatches++;
  return isSame ? [] : [...session.slots.values()].map((slot) => reopen(session, slot, batch));
}

/** The batch that added the query must not be answered with its result for the old identity. */
function reopen(session: Session, slot: QuerySlot, batch: Batch): Effect {
  return open(session, slot, batch);
}

function isSameIdentity(a: Identity, b: Identity): boolean {
  if (a.kind === "user" && b.kind === "user") return isDeepStrictEqual(a.attributes, b.attributes);
  return isDeepStrictEqual(a, b);
}

function isExpired(identity: Identity, nowMs: number): boolean {
  return identity.kind === "user" && identity.expiresAtMs !== null && nowMs >= identity.expiresAtMs;
}

function expired(session: Session): Ending {
  const error = new LensletError("Unauthenticated", "TokenExpired", "Convex token identity expired");
  return endingOf(error, session.current.identity, false);
}

// ---- mutations and actions

function mutate(session: Session, message: CallMessage, nowMs: number, monotonicMs: number): Effect[] {
  if (isExpired(session.identity, nowMs)) return end(session, expired(session));
  if (session.mutationsPending >= limits.mutationsQueuedMax) {
    return end(session, tooMany(session, "TooManyConcurrentMutations", "mutations"));
  }
  if (session.mutationsPending === 0) session.mutationProgressMs = monotonicMs;
  session.mutationsPending++;
  const { requestId } = message;
  const call = requestCall(session, message);
  const { sessionId } = session;
  return [
    {
      type: "mutate",
      requestId,
      call: sessionId === null ? call : { ...call, session: { sessionId, requestId } },
    },
  ];
}

function act(session: Session, message: CallMessage, nowMs: number): Effect[] {
  if (isExpired(session.identity, nowMs)) return end(session, expired(session));
  if (session.actionsPending >= limits.actionsInFlightMax) {
    return end(session, tooMany(session, "TooManyInflightActionsForSingleClient", "actions"));
  }
  session.actionsPending++;
  return [{ type: "act", requestId: message.requestId, call: requestCall(session, message) }];
}

function tooMany(session: Session, code: string, what: string): Ending {
  const text = `Too many concurrent ${what}. Only up to 1000 pending ${what} allowed on a single websocket.`;
  return endingOf(new LensletError("RateLimited", code, text), session.current.identity, false);
}

function requestCall(session: Session, message: CallMessage): FunctionCall {
  const { sessionId } = session;
  const requestId =
    sessionId === null ? session.config.newRequestId() : requestIdOf(sessionId, message.requestId);
  return callOf(session, message, session.identity, requestId);
}

function callOf(
  session: Session,
  from: { readonly udfPath: string; readonly componentPath: string; readonly argsJson: string },
  identity: Identity,
  requestId: string,
): FunctionCall {
  return {
    target: { kind: "path", path: from.udfPath, componentPath: from.componentPath },
    argsJson: from.argsJson,
    identity,
    caller: "SyncWorker",
    requestId,
    client: session.client,
  };
}

function takeMutationAnswer(
  session: Session,
  event: SessionEvent & { type: "mutationAnswered" | "mutationFailed" },
): Effect[] {
  session.mutationsPending--;
  session.mutationProgressMs = event.monotonicMs;
  let result: MutationResult;
  if (event.type === "mutationAnswered") {
    result = event.result;
  } else {
    // The client sends it again on its next socket; the engine answers at most once.
    if (!isDeveloperError(event.error))
      return end(session, endingOf(event.error, session.current.identity, false));
    result = { ...failureOf(event.error.message), ts: null };
  }
  const wire = toWireResult(result, event.call.requestId, session.config.redact);
  if (result.ok) {
    assert(result.ts !== null, "a successful mutation has a commit timestamp");
    if (result.ts > session.dueTs) session.dueTs = result.ts;
    return [{ type: "send", text: mutationResponseText(event.requestId, wire, encodeU64(result.ts)) }];
  }
  session.due = true;
  return [{ type: "send", text: mutationResponseText(event.requestId, wire, "") }];
}

function takeActionAnswer(
  session: Session,
  event: SessionEvent & { type: "actionAnswered" | "actionFailed" },
): Effect[] {
  session.actionsPending--;
  session.due = true;
  const result = event.type === "actionAnswered" ? event.result : failureOf(textOf(event.error));
  const wire = toWireResult(result, event.call.requestId, session.config.redact);
  return [{ type: "send", text: actionResponseText(event.requestId, wire) }];
}

/** An action is not repeated by clients, so its failure must be told; a mutation's makes the client come back. */
function textOf(error: unknown): string {
  return isDeveloperError(error) ? error.message : internalErrorMessage;
}

function failureOf(message: string): FunctionResult & { ok: false } {
  return { ok: false, error: { message: `${message}\n` }, logLines: [] };
}

// ---- transitions

/** What to send now: at most one Transition, from the last one sent to `view`. Call it only when the socket takes more. */
export function flush(session: Session, view: View, nowMs: number): Transition | Ending | null {
  if (session.ended) return null;
  if (session.identityBatches > 0 || view.ts < session.observedTs) return null;
  const isDue = session.due || (session.dueTs > 0n && view.ts >= session.dueTs);
  if (!isDue && session.firstChanged === null) return null;
  if (isExpired(session.identity, nowMs)) {
    // Its successor may be on the way: then the client hears of that one.
    if (session.verifying) return null;
    session.ended = true;
    return expired(session);
  }
  const changes = takeChanges(session);
  if (!isDue && changes.length === 0) return null;
  assert(view.ts >= session.currentTs, "the view never goes back");
  const start = session.current;
  const transitionEnd = view.version(session.answeredQuerySet, session.answeredIdentity);
  session.current = transitionEnd;
  session.currentTs = view.ts;
  session.due = false;
  if (view.ts >= session.dueTs) session.dueTs = 0n;
  return { type: "transition", start, end: transitionEnd, changes };
}

/** True while the session has something for the client that only a newer timestamp can release. */
export function isAwaitingTs(session: Session, view: View): boolean {
  return !session.ended && (view.ts < session.dueTs || view.ts < session.observedTs);
}

/** Call before `flush`: takes the batches whose queries have all answered into what the next Transition shows. */
export function takeAnsweredBatches(session: Session): readonly Effect[] {
  const effects: Effect[] = [];
  for (let batch = session.batches[0]; batch && batch.pending === 0; batch = session.batches[0]) {
    session.batches.shift();
    session.due = true;
    if (batch.kind === "identity") {
      session.answeredIdentity = batch.version;
      session.identityBatches--;
      continue;
    }
    session.answeredQuerySet = batch.version;
    for (const slot of batch.removed) {
      if (slot.sent) session.removed.push(slot.queryId);
      effects.push(...drop(slot));
    }
    for (const slot of batch.added) {
      slot.active = true;
      markChanged(session, slot);
    }
  }
  return effects;
}

function takeChanges(session: Session): QueryChange[] {
  const changes: QueryChange[] = [];
  let next = session.firstChanged;
  session.firstChanged = null;
  while (next) {
    const slot = next;
    next = slot.nextChanged;
    slot.nextChanged = null;
    slot.changed = false;
    if (slot.removed || !slot.active || !slot.live) continue;
    const { result } = slot.live;
    if (slot.sent && isSameResult(slot.sent, result)) continue;
    slot.sent = result;
    changes.push({ queryId: slot.queryId, result });
  }
  for (const queryId of session.removed) {
    // A client that uses an id again gets its new result instead.
    if (!changes.some((change) => change.queryId === queryId)) changes.push({ queryId, result: null });
  }
  session.removed.length = 0;
  return changes.length > 1 ? changes.toSorted((a, b) => a.queryId - b.queryId) : changes;
}

// ---- end

function end(session: Session, ending: Ending): Effect[] {
  session.ended = true;
  return [ending];
}

function close(session: Session): Effect[] {
  session.ended = true;
  const removed = session.batches.flatMap((batch) => batch.removed);
  const effects = [...session.slots.values(), ...removed].flatMap(drop);
  session.slots.clear();
  session.batches.length = session.held.length = 0;
  session.firstChanged = null;
  return effects;
}
