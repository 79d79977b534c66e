package garden;

import com.huawei.services.runtime.Context;
import java.util.ArrayList;
import java.util.List;

/** Takes all the memory there is. */
public class Weeds {
    public String grow(String event, Context context) {
        List<byte[]> all = new ArrayList<>();
        while (event.contains("grow")) {
            all.add(new byte[1 << 20]);
        }
        return "cut";
    }
}
