package garden;

import com.google.gson.annotations.SerializedName;
import com.opentelekomcloud.services.runtime.Context;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Adds up baskets. */
public final class Market {
    private Market(int noInstance) {}

    static final class Basket {
        @SerializedName("fruit-name")
        private String fruit;

        private List<List<Integer>> rows;
    }

    static final class Total {
        private final String fruit;
        private final int sum;
        private final String quote = "<a & 'b'>";

        Total(String fruit, int sum) {
            this.fruit = fruit;
            this.sum = sum;
        }
    }

    public static List<Total> sum(Map<String, Basket> event, Context context) {
        List<Total> totals = new ArrayList<>();
        for (Basket basket : event.values()) {
            int sum = 0;
            for (List<Integer> row : basket.rows) {
                for (int number : row) {
                    sum += number;
                }
            }
            totals.add(new Total(basket.fruit, sum));
        }
        context.getLogger().info("totals " + totals.size());
        return totals;
    }
}
