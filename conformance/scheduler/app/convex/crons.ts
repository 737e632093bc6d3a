import { anyApi, cronJobs } from "convex/server";

const crons = cronJobs();
crons.interval("beat", { seconds: 1 }, anyApi["jobs"]!["beat"]!, { by: "cron" });
crons.interval("act", { hours: 24 }, anyApi["jobs"]!["cronAction"]!);
crons.monthly("rarely", { day: 31, hourUTC: 4, minuteUTC: 30 }, anyApi["jobs"]!["beat"]!, { by: "nobody" });
crons.cron("workdays", "0 9 * * MON-FRI", anyApi["jobs"]!["beat"]!, { by: "nobody" });

export default crons;
