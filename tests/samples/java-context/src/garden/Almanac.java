package garden;

import com.google.gson.JsonObject;
import com.huawei.services.runtime.Context;
import java.util.LinkedHashMap;
import java.util.Map;

/** Tells what the context says. */
public class Almanac {
    private int left;

    public void open(Context context) {
        left = context.getRemainingTimeInMilliSeconds();
    }

    public Map<String, Object> read(JsonObject event, Context context) {
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("page", event.get("page").getAsInt());
        seen.put("request", context.getRequestID());
        seen.put("function", context.getFunctionName());
        seen.put("version", context.getVersion());
        seen.put("package", context.getPackage());
        seen.put("memory", context.getMemorySize());
        seen.put("cpu", context.getCPUNumber());
        seen.put("timeout", context.getRunningTimeInSeconds());
        seen.put("left", context.getRemainingTimeInMilliSeconds());
        seen.put("left_to_open", left);
        seen.put("season", context.getUserData("season"));
        seen.put("nothing", context.getUserData("nothing"));
        seen.put("token", context.getToken());
        seen.put("alias", context.getAlias());
        seen.put("env", System.getenv("RUNTIME_FUNC_NAME"));
        seen.put("code_root", System.getenv("RUNTIME_CODE_ROOT"));
        seen.put("hidden", System.getenv("season"));
        seen.put("folder", System.getProperty("user.dir"));
        return seen;
    }
}
