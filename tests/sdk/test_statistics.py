"""Statistics of functions, as the SDK reads them."""
from common import Scenario
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    ListFunctionAsMetricRequest,
    ListFunctionStatisticsRequest,
    ListStatisticsRequest,
    ShowFunctionMetricsRequest,
    ShowFuncReservedInstanceMetricsRequest,
)

CODE = "def handler(event, context):\n    return 1 // event.get('by', 1)\n"


def total(points):
    return sum(point.value for point in points if point.value > 0)


class Statistics(Scenario):
    def test_numbers_are_those_of_the_calls(self):
        urn = self.create("counted", CODE).func_urn
        for _ in range(3):
            self.invoke(urn)
        with self.assertRaises(exceptions.ServerResponseException):
            self.invoke(urn, {"by": 0})
        shown = self.client.list_function_statistics(ListFunctionStatisticsRequest(func_urn=urn, period="5"))
        self.assertEqual((total(shown.count), total(shown.fail_count)), (4, 1))
        self.assertEqual((total(shown.function_error_count), total(shown.system_error_count)), (1, 0))
        self.assertEqual(total(shown.reject_count), 0)
        self.assertTrue(all(point.timestamp % 60000 == 0 for point in shown.count))
        self.assertGreaterEqual(max(point.value for point in shown.concurrency_num), 1)

        metrics = self.client.show_function_metrics(ShowFunctionMetricsRequest(func_urn=urn, period="5"))
        self.assertEqual((total(metrics.count), len(metrics.count)), (4, 61))
        self.assertEqual(metrics.count[1].timestamp - metrics.count[0].timestamp, 5 * 60000)
        self.assertGreaterEqual(max(point.value for point in metrics.instance_num), 1)

        instances = self.client.show_func_reserved_instance_metrics(
            ShowFuncReservedInstanceMetricsRequest(func_urn=urn, limit="500"))
        self.assertEqual(len(instances.instance_num), len(instances.reserved_instance_num))

        whole = self.client.list_statistics(ListStatisticsRequest(filter="monitor_data", period="60"))
        self.assertGreaterEqual(total(whole.statistics.count), 4)
        months = self.client.list_statistics(ListStatisticsRequest(filter="monthly_report", option="2"))
        self.assertEqual((len(months.count), len(months.gbs), len(months.gpu_gbs)), (3, 3, 3))
        self.assertGreaterEqual(months.count[-1].value, 4)

        ranking = self.client.list_function_as_metric(ListFunctionAsMetricRequest(type="failcount", limit="1"))
        self.assertEqual((ranking.values[0].key, ranking.values[0].value), (urn.rsplit(":", 1)[0], 1))

    def test_what_is_no_period_is_refused(self):
        urn = self.create("uncounted", CODE).func_urn
        with self.assertRaises(exceptions.ClientRequestException) as raised:
            self.client.list_function_statistics(ListFunctionStatisticsRequest(func_urn=urn, period="soon"))
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (400, "FSS.0400"))
