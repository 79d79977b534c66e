package garden;

import com.huawei.services.runtime.Context;

/** Takes its time. */
public class Snail {
    public String crawl(String event, Context context) throws InterruptedException {
        if (event.contains("far")) {
            Thread.sleep(60_000);
        }
        return "arrived";
    }
}
