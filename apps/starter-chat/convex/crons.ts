import { cronJobs } from "convex/server";
import { internal } from "./_generated/api.js";

const crons = cronJobs();

// What the scheduler does at the right moment anyway; this finds what it never heard of, such as imported data.
crons.interval("end what is over", { hours: 1 }, internal.functions.mutations.sweep.sweep, {});

export default crons;
