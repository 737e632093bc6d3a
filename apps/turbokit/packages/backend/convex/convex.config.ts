import actionCache from "@convex-dev/action-cache/convex.config.js";
import agent from "@convex-dev/agent/convex.config.js";
import presence from "@convex-dev/presence/convex.config.js";
import r2 from "@convex-dev/r2/convex.config.js";
import rateLimiter from "@convex-dev/rate-limiter/convex.config.js";
import resend from "@convex-dev/resend/convex.config.js";
import workflow from "@convex-dev/workflow/convex.config.js";
import autumn from "@useautumn/convex/convex.config.js";
import { defineApp } from "convex/server";

/** Every component the backend stands on. Each has its own tables, reached as `components.<name>`. */
const app = defineApp();
app.use(actionCache);
app.use(agent);
app.use(autumn);
app.use(presence);
app.use(r2);
app.use(rateLimiter);
app.use(resend);
app.use(workflow);
export default app;
