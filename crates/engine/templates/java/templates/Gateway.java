package templates;

import com.huawei.services.runtime.Context;
import com.huawei.services.runtime.entity.apig.APIGTriggerEvent;
import com.huawei.services.runtime.entity.apig.APIGTriggerResponse;
import java.util.Collections;
import java.util.Map;

/** Answers an HTTP request that a gateway trigger hands on. */
public class Gateway {
    public APIGTriggerResponse handle(APIGTriggerEvent event, Context context) {
        String body = event.getRawBody() == null ? "" : event.getRawBody();
        Map<String, String> query = event.getQueryStringParameters();
        String name = query == null ? "world" : query.getOrDefault("name", "world");
        String text = "Hello, " + name + "! You sent " + body.length() + " characters.";
        return new APIGTriggerResponse(200, Collections.singletonMap("Content-Type", "text/plain"), text);
    }
}
