using System.Threading.Tasks;
using HC.Serverless.Function.Common;

namespace Garden
{
    /// <summary>Takes its time.</summary>
    public class Snail
    {
        public async Task<string> Crawl(string input, IFunctionContext context)
        {
            if (input.Contains("far"))
            {
                await Task.Delay(60000);
            }
            return "arrived";
        }
    }
}
