import type { Doc, Id } from "./convex/_generated/dataModel.js";

export type { DataModel, Doc, Id } from "./convex/_generated/dataModel.js";
export type { ErrorCode, ErrorData as BackendError } from "./convex/lib/errors.ts";

/** Documents. */
export type User = Doc<"users">;
export type Project = Doc<"projects">;
export type Message = Doc<"messages">;
export type Upload = Doc<"uploads">;
export type Thread = Doc<"threads">;
export type LedgerEntry = Doc<"ledger">;
export type Onboarding = Doc<"onboardings">;

/** Ids. */
export type UserId = Id<"users">;
export type ProjectId = Id<"projects">;
export type MessageId = Id<"messages">;
export type UploadId = Id<"uploads">;
export type ThreadId = Id<"threads">;

/** Enums. */
export type ProjectStatus = "active" | "archived" | "draft";
export type UserPlan = "free" | "pro" | "enterprise";
export type OnboardingState = Onboarding["state"];
