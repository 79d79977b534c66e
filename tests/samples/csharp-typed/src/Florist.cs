using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using OpenTelekomCloud.Serverless.Function.Common;

namespace Garden
{
    public class Order
    {
        public string Name { get; set; }

        public int Count { get; set; }
    }

    public class Rest
    {
        public double Left { get; set; }
    }

    public class Bunch
    {
        public string Name { get; set; }

        public List<int> Stems { get; set; }

        public Rest Inner { get; set; }
    }

    /// <summary>Waits, then answers.</summary>
    public class Florist
    {
        public async Task<Bunch> Bind(Order order, IFunctionContext context)
        {
            await Task.Delay(20);
            await Task.Yield();
            return new Bunch { Name = order.Name, Stems = Enumerable.Range(1, order.Count).ToList(), Inner = new Rest { Left = 0.5 } };
        }
    }
}
